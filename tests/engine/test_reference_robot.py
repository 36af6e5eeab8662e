"""Whole sessions against the reference: a strategy that orders at random through its public
services, over random tapes, at every distance from its venues. What the robot hears, when, and what
its accounts then hold is what the slow loop says, to the last unit; and no cash comes or goes
without a name."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from reference.sessions import Session, make_session
from worlds.robot_sessions import Duel, Part, difference, explained

LONG = os.environ.get("ONETAPE_LONG") == "1"
GROUPS, EACH = (200, 50) if LONG else (8, 30)
STEPS = 150


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_session_is_that_of_the_reference(group: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(group * EACH, (group + 1) * EACH):
        duel = Duel(make_session(seed, STEPS))
        try:
            duel.play()
        except Part:
            pytest.fail(f"seed {seed}: {explained(duel.session)}", pytrace=False)
        met.update(duel.met)
    # A comparison proves nothing about what never happens in it.
    least = {"requests": 1000, "fills": 100, "versions": 10, "detail": 20, "follow-ups": 0}
    assert {name: met[name] for name, count in least.items() if met[name] <= count} == {}
    assert sum(count for name, count in met.items() if name.startswith("refused")) < EACH // 4


def test_the_sessions_meet_every_service_and_every_kind_of_way() -> None:
    sessions = [make_session(seed, STEPS) for seed in range(GROUPS * EACH if not LONG else 240)]
    steps = Counter(step[0] for session in sessions for step in session.steps)
    assert min(steps[name] for name in ("submit", "target", "quotes", "close", "cancel_all")) > 20
    ways = [way for session in sessions for way in session.ways.values()]
    for name, count in {
        "curves": sum(bool(way.curve) for way in ways),
        "daily curves": sum(way.daily for way in ways),
        "bursts": sum(bool(way.burst) for way in ways),
        "constant clocks": sum(way.clock == "constant" for way in ways),
        "recorded clocks": sum(way.clock == "recorded" for way in ways),
        "accounts apart": sum(session.apart for session in sessions),
        "fees of a venue": sum(bool(set(session.fees) - {0}) for session in sessions),
        "rates of a venue": sum(bool(session.rules.order_rates) for session in sessions),
        "detail data": sum(bool(session.detail) for session in sessions),
        "fused books": sum(session.fuse for session in sessions),
    }.items():
        assert count >= 10, name


def test_a_difference_is_cut_down_and_printed() -> None:
    """The tool itself: a core whose taker fee is a trillionth higher."""

    def dearer(session: Session) -> Session:
        return replace(session, fees={0: (0, 10**8 + 1)})

    session = replace(make_session(1, STEPS), fees={0: (0, 10**8)})
    assert difference(session) is None
    text = explained(session, dearer)
    assert text is not None
    assert text.startswith("fee: ")
    case = text.partition("\n\n")[2].splitlines()
    assert len(case) <= 10, case

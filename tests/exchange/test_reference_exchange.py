"""The core's exchange against the slow one of tests/reference, over random worlds: instruments of
every kind, every rule of a venue, every kind of data, orders at random. All order events, fills,
balances and positions are equal after every step, to the last unit."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from reference.clock import Rules
from reference.duel import difference, explained, play_all
from reference.facts import ONE, Facts
from reference.loans import Levels
from reference.worlds import World, make

LONG = os.environ.get("ONETAPE_LONG") == "1"
GROUPS, EACH = (200, 100) if LONG else (12, 25)
STEPS = 150


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_worlds_are_those_of_the_reference(group: int) -> None:
    for seed in range(group * EACH, (group + 1) * EACH):
        world = make(seed, STEPS)
        if difference(world) is not None:
            pytest.fail(f"seed {seed}: {explained(world)}", pytrace=False)


def test_the_worlds_meet_every_rule() -> None:
    """A comparison proves nothing about what never happens in it."""
    wanted = {
        ("order", "rejected", code)
        for code in (4101, 4102, 4103, 4106, 4107, 4108, 4109, 4201, 4301, 4306, 4308, 4402, 4403, 4407)
    }
    wanted |= {("order", "canceled", code) for code in (0, 1005, 4103, 4106, 4108, 4201, 4402, 4407)}
    wanted |= {("order", news, 0) for news in ("accepted", "triggered", "updated", "expired")}
    wanted |= {("order", "update_rejected", code) for code in (4101, 4104, 4109, 4402, 4403, 4407)}
    wanted |= {("order", "triggered", 4109)}
    wanted |= {("order", "cancel_rejected", code) for code in (4104, 4402)}
    wanted |= {("fill", "maker", 0), ("fill", "taker", 0), ("fees", None, 0)}
    wanted |= {("loan", None, 0)}
    wanted |= {("cash", kind, 0) for kind in ("funding", "insurance", "interest")}
    wanted |= {
        "liquidations",
        "settlements",
        "ambiguous_bars",
        "ambiguous_fills",
        "gapped_limits",
        "insurance_payments",
        "fills_beyond_touch",
        "fills_without_size",
        "trades_beyond_display",
        "liquidations_without_mark",
        "loan_calls",
        "loan_liquidations",
        "deleveragings",
        "deleveragings_missed",
        "queue_unknown",
    }
    met: Counter[object] = Counter()
    for seed in range(300):
        _, said, fast = play_all(make(seed, STEPS))
        met.update((e["event"], e.get("news") or e.get("liquidity") or e.get("kind"), e.get("code", 0)) for e in said)
        met.update(dict(fast.core.counters()))
        missing = wanted - {key for key, count in met.items() if count}
        if not missing:
            break
    assert sorted(map(str, missing)) == []


@pytest.mark.parametrize(
    "event",
    [
        ("mbo", 30, 0, "cancel", 3, "buy", 999, 14, True, False, False),
        ("quote", 30, 0, 100, 101, 5, 5),
        ("trade", 30, 0, 100, 1, "buy"),
        ("bar", 30, 0, 20, 100, 100, 100, 100, 1000),
        ("mark", 30, 0, 100),
        ("funding", 30, 0, 0),
    ],
)
@pytest.mark.parametrize("coins", [0, 3])
def test_money_taken_out_beyond_what_is_there_is_a_loan_from_the_next_event_on(event, coins):
    """Nothing was filled since: the levels are looked at all the same."""
    rules = Rules(borrow={1: 0}, loans=Levels(1_600_000, 1_350_000, 10**10))
    steps = [("trade", 10, 0, 100, 1, "buy"), ("deposit", 20, 1, -300 * ONE), event]
    deposits = {1: 50 * ONE, 2: coins * ONE}
    said = play_all(World([Facts(kind="spot")], [], rules, deposits=deposits, steps=steps))
    assert said[0] is None
    assert [e["called"] for e in said[1] if e["event"] == "loan"] == [True, False]


def test_a_difference_is_cut_down_and_printed() -> None:
    """The tool itself: a core whose fee is a trillionth higher."""
    world = make(3, STEPS)
    buy = {"order_id": 999, "side": "buy", "type": "market", "size": 2}
    trade = [("quote", 10**15, 0, 100, 101, 5, 5), ("place", 10**15, 0, buy)]
    facts = [Facts(taker_fee=10**8), Facts(kind="spot")]
    world = World(facts, [], deposits={1: 10**6 * ONE}, steps=world.steps[:60] + trade)
    world.steps = [step for step in world.steps if step[2] in (0, 1) and step[0] != "version"]
    assert difference(world) is None
    dearer = [replace(facts[0], taker_fee=10**8 + 1), facts[1]]
    text = explained(world, dearer)
    assert text is not None
    assert "'fee': (" in text
    first, _, case = text.partition("\n\n")
    assert first.startswith("step 1 ")
    assert len(case.splitlines()) <= 5  # what is given, an instrument or two, a price, an order

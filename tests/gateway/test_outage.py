"""Orders of unknown outcome are said once, with how many they are, and so is their end."""

from __future__ import annotations

from onetape.gateway.silence_watch import Outage
from onetape.model.time import SECOND


def said(looks: list[tuple[float, int, int]]) -> list[str]:
    """looks: (second, from, to): which are unknown then."""
    outage = Outage("main")
    found = []
    for second, first, last in looks:
        out = outage.look([str(n) for n in range(first, last)], int(second * SECOND))
        if out is not None:
            found.append(f"{out.severity}: {out.state}")
    return found


def test_thirty_orders_are_one_alert_that_counts_them():
    looks = [(n / 100, 0, n + 1) for n in range(30)] + [(n, 0, 30) for n in range(1, 60)]
    assert said([*looks, (60, 10, 30), (60.5, 11, 30), (61, 12, 30), (62, 30, 30), (63, 30, 30)]) == [
        "warning: 30 of unknown outcome, 30 now",
        "warning: 30 of unknown outcome, 20 now",
        "warning: 30 of unknown outcome, 18 now",
        "info: 30 settled",
    ]


def test_one_that_changes_is_said_again_at_most_each_second():
    looks = [(n / 10, 0, n) for n in range(1, 41)]
    assert said(looks) == [f"warning: {n} of unknown outcome, {n} now" for n in (11, 21, 31)]


def test_what_is_settled_at_once_is_not_said():
    assert said([(0, 0, 3), (0.5, 0, 3), (0.9, 3, 3), (5, 3, 3)]) == []


def test_the_next_outage_counts_its_own():
    assert said([(0, 0, 2), (2, 0, 2), (3, 2, 2), (4, 2, 3), (6, 2, 3), (7, 3, 3)]) == [
        "warning: 2 of unknown outcome, 2 now",
        "info: 2 settled",
        "warning: 1 of unknown outcome, 1 now",
        "info: 1 settled",
    ]

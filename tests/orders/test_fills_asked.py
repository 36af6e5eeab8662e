"""From when on the fills of an account are asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from onetape.orders.fills_asked import OVERLAP, FillsAsked
from orders.binance_manager import NOW, Desk


def _ends(fills: FillsAsked, desk: Desk, *times: int) -> None:
    fills.heard([desk.fill(1, number, time=time) for number, time in enumerate(times)])


@pytest.mark.parametrize(
    ("play", "known"),
    [
        (lambda fills, desk: fills.begin(NOW + 1), NOW),
        (lambda fills, desk: (_ends(fills, desk, NOW + 9), fills.done()), NOW + 9),
        (lambda fills, desk: (_ends(fills, desk, NOW + 9, NOW + 5), fills.done()), NOW + 9),
        (lambda fills, desk: _ends(fills, desk, NOW + 9), NOW),
        # a round that takes the place of another has not seen its pages
        (lambda fills, desk: (_ends(fills, desk, NOW + 9), fills.begin(NOW), fills.done()), NOW),
        (lambda fills, desk: (_ends(fills, desk, NOW - 9), fills.done()), NOW),
    ],
)
def test_the_mark_of_the_fills_moves_when_a_whole_round_was_answered(
    play: Callable[[FillsAsked, Desk], object], known: int
):
    fills = FillsAsked(NOW)
    play(fills, Desk())
    assert fills.known == known
    assert fills.since == known - OVERLAP


def test_the_first_round_of_all_begins_now():
    fills = FillsAsked(0)
    assert fills.since == 0
    fills.begin(NOW)
    assert (fills.known, fills.since) == (NOW, NOW - OVERLAP)

"""From when on the fills of an account are asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from onetape.orders.reconcile import OVERLAP, FillHorizon
from orders.binance_manager import NOW, SYMBOL, Desk


def _ends(fills: FillHorizon, desk: Desk, *times: int) -> None:
    fills.reported([desk.fill(1, number, time=time) for number, time in enumerate(times)])


@pytest.mark.parametrize(
    ("play", "complete"),
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
    play: Callable[[FillHorizon, Desk], object], complete: int
):
    fills = FillHorizon(NOW)
    play(fills, Desk())
    assert fills.complete == complete
    assert fills.since(SYMBOL) == complete - OVERLAP


def test_the_first_round_of_all_begins_now():
    fills = FillHorizon(0)
    assert fills.since(SYMBOL) == 0
    fills.begin(NOW)
    assert (fills.complete, fills.since(SYMBOL)) == (NOW, NOW - OVERLAP)


def test_the_fills_of_a_symbol_that_was_not_asked_for_are_asked_for_from_where_they_were_complete():
    fills = FillHorizon(NOW)
    _ends(fills, Desk(), NOW + 9)
    fills.done({SYMBOL})
    assert (fills.since(SYMBOL), fills.since("other"), fills.complete) == (NOW + 9 - OVERLAP, NOW - OVERLAP, NOW)
    fills.begin(NOW)
    _ends(fills, Desk(), NOW + 20)
    fills.done()
    assert {fills.since(SYMBOL), fills.since("other")} == {NOW + 20 - OVERLAP}

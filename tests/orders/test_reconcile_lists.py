"""Reconciliation with a venue that gives a list in several requests."""

from __future__ import annotations

import pytest

from onetape.model.enums import PositionSide
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import PositionReport
from orders.binance_manager import BTC, NOW, SECOND, SYMBOL
from orders.test_reconcile import BOTH, ETH, FAILED, Rounds


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def test_what_no_page_of_positions_lists_is_flat_as_of_the_first_page(rounds):
    venue, other = rounds.manager.venue, ETH.symbol
    rounds.make(symbols=(SYMBOL, other))
    venue.set_instruments([BTC, ETH])
    venue.more_positions = lambda cursor, now: venue.positions(now)._replace(part=cursor)
    gone = (SYMBOL, PositionSide.LONG)
    for key in ((SYMBOL, BOTH), (other, BOTH), gone):
        rounds.manager.hear([PositionReport(*key, 7, NOW - SECOND)], NOW)
    pages = {"": ((SYMBOL, "second"), 1), "second": ((other, ""), 2)}
    rounds.reconciler.start(rounds.now, "start")
    for _ in pages:
        (call,) = [each for each in rounds.take() if each.purpose is Purpose.POSITIONS]
        (symbol, cursor), _ = pages[call.part]
        assert rounds.manager.venue_positions[gone][0] == 7
        rounds.done(call, Answer(Outcome.DONE, (PositionReport(symbol, BOTH, 7, rounds.now),), cursor=cursor))
        rounds.now += SECOND
    held = {key: qty for key, (qty, _) in rounds.manager.venue_positions.items()}
    assert held == {(SYMBOL, BOTH): 7, (other, BOTH): 7, gone: 0}
    assert rounds.manager.venue_positions[gone][1] == rounds.now - 2 * SECOND


def test_of_several_lists_of_orders_the_one_that_failed_is_asked_for_again(rounds):
    venue, one = rounds.manager.venue, rounds.manager.venue.open_orders
    venue.open_orders = lambda now: [one(now)[0]._replace(part=part) for part in ("linear", "spot")]
    rounds.reconciler.start(rounds.now, "start")
    for call in rounds.take():
        rounds.done(call, FAILED if call.part == "spot" else None)
    rounds.tick(2 * SECOND)
    assert [(call.purpose, call.part) for call in rounds.take()] == [(Purpose.OPEN_ORDERS, "spot")]

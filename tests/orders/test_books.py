"""What an account holds: fills are booked once, and the venue's newest word is believed."""

from __future__ import annotations

import hashlib

import pytest

from onetape.model.enums import PositionSide, Side
from onetape.orders.books import Books
from onetape.orders.calls import Traits
from onetape.orders.reports import INTERNAL_TRADES, BalanceReport, PositionReport
from onetape.venues.numbers import trade_number
from orders.binance_manager import NOW, SYMBOL, Desk

AT = (SYMBOL, PositionSide.BOTH)


class Spot:
    """A venue that has balances only: each fill moves one by its size."""

    traits = Traits(positions=False)

    def moves(self, fill):
        return [("BTC", fill.size * fill.side.sign)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_fill_is_known_by_its_trade_and_its_side(desk):
    books = desk.manager.books
    buy = desk.fill(4)
    books.book(buy)
    assert books.has(buy)
    assert not books.has(buy._replace(side=Side.SELL))  # an account that trades with itself
    assert not books.has(buy._replace(trade_id=2))


def test_a_fill_on_a_tape_of_an_older_version_is_known_by_what_its_id_was_there(desk):
    """0.1.0 kept 63 bits of the hash of an id that is no number."""
    books = desk.manager.books
    for text in ("8f1e6a0c-0b1d-4c6f-9d57-2f6f2f0a7a11", "TXHTC7-ZCJ5T-HPHHIA", "9" * 40):
        digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
        fill = desk.fill(4, trade_id=trade_number(text))
        assert not books.has(fill)
        books.book(fill._replace(trade_id=digest >> 1))
        assert books.has(fill)
        assert not books.has(fill._replace(side=Side.SELL))


def test_purchases_and_sales_add_up_to_the_position(desk):
    books = desk.manager.books
    books.book(desk.fill(4))
    books.book(desk.fill(6, 2, side=Side.SELL))
    assert (books.positions, books.booked) == ({AT: -2}, 2)


def test_an_internal_trade_leaves_what_the_account_holds_as_it_is(desk):
    books = desk.manager.books
    books.book(desk.fill(4, INTERNAL_TRADES))
    assert (books.positions, books.booked) == ({}, 1)


@pytest.mark.parametrize("traits", [Traits(positions=False), Traits(spot=frozenset({SYMBOL}))])
def test_of_spot_the_newest_balance_and_the_fills_since_count(desk, traits):
    venue = Spot()
    venue.traits = traits
    books = Books(venue)
    books.balance(BalanceReport("BTC", 100, NOW), "rest")
    for trade, time in enumerate((NOW + 1, NOW + 3), 1):
        books.book(desk.fill(4, trade, time=time))
    assert books.holding("BTC") == 108
    books.balance(BalanceReport("BTC", 104, NOW + 2), "stream")
    assert books.holding("BTC") == 108
    books.balance(BalanceReport("BTC", 100, NOW), "rest")  # an older one
    assert books.holding("BTC") == 108


def test_an_older_position_is_not_believed_and_one_as_before_is_not_said(desk):
    books = desk.manager.books
    received = [
        len(books.position(PositionReport(SYMBOL, PositionSide.BOTH, qty, NOW + at), "rest"))
        for qty, at in ((5, 2), (7, 1), (5, 3), (7, 4))
    ]
    assert received == [1, 0, 0, 1]
    assert books.venue_positions == {AT: (7, NOW + 4)}

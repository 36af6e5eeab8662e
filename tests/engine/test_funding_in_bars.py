"""Funding that falls due inside a bar: of what the bar's open has left, and of nothing later."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, START, Market, play, records

DAY, HOUR = 86_400, 3_600


class Holds(Strategy):
    """Sells at the end of one day's bar and buys back at the end of another; 0: never."""

    sell_after: int = 1
    buy_after: int = 2
    trade: dict = {}  # noqa: RUF012 - set by the test

    def on_start(self):
        self.subscribe(BTC, bars="1d@venue")
        self.days = 0

    def on_bar(self, bar):
        self.days += 1
        if self.days == self.sell_after:
            self.sell(BTC, 10, **self.trade)
        if self.days == self.buy_after:
            self.buy(BTC, 10)


def paid(tmp_path, market: Market, *, delay: float = 0.0, margin: str = "cross", **options: object) -> Decimal:
    kind = type("Mine", (Holds,), options)
    played = play(kind, market.done(), journal=tmp_path / "j", latency=(delay, delay), margin=margin)
    assert not played.host.failures
    total = Decimal(played.loop.equity_text) - 100_000
    noted = [each.data["amount"] for each in records(tmp_path / "j", "transfer")]
    assert sum(map(Decimal, noted), Decimal(0)) == total, "told and booked"
    return total


def days(path, *fundings: tuple[float, str], count: int = 5) -> Market:
    market, left = Market(path), sorted(fundings)
    for day in range(1, count + 1):
        while left and left[0][0] <= day * DAY:
            at, rate = left.pop(0)
            market.funding(at, rate, 100)
        market.bar(day * DAY, "1d", (100, 100, 100, 100))
    return market


@pytest.mark.parametrize("margin", ["cross", "isolated"])
@pytest.mark.parametrize("delay", [0.0, 0.5])
@pytest.mark.parametrize(("held", "got"), [(2, 0), (3, 10), (4, 0)])
def test_funding_inside_a_bar_is_of_the_day_that_is_held(tmp_path, held, got, delay, margin):
    """10 at 100 and 1 %, at 08:00 of the third day alone."""
    market = days(tmp_path / "t", (2 * DAY + 8 * HOUR, "0.01"))
    assert paid(tmp_path, market, delay=delay, margin=margin, sell_after=held - 1, buy_after=held) == got


@pytest.mark.parametrize(
    ("at", "got"),
    [
        (2 * DAY, 0),  # the open itself: what was held before it
        (2 * DAY + 1, 10),
        (3 * DAY - 1, 10),
        (3 * DAY, 10),  # the next open: still held before that one
        (3 * DAY + 1, 0),
    ],
)
def test_a_fill_at_the_open_holds_from_the_open_on(tmp_path, at, got):
    assert paid(tmp_path, days(tmp_path / "t", (at, "0.01")), sell_after=2, buy_after=3) == got


@pytest.mark.parametrize(("delay", "got"), [(1800, 10), (5400, 0)])
def test_who_comes_after_the_payment_has_no_part_in_it(tmp_path, delay, got):
    """Half an hour or an hour and a half into the bar, both early enough for its open; funding comes after an hour."""
    market = days(tmp_path / "t", (2 * DAY + HOUR, "0.01"), (2 * DAY + 12 * HOUR, "0"))
    assert paid(tmp_path, market, delay=delay, sell_after=2, buy_after=0) == got


def test_what_fills_inside_a_bar_fills_after_its_funding(tmp_path):
    """A limit that the bar trades through counts as filled at the close."""
    market = Market(tmp_path / "t")
    market.bar(DAY, "1d", (100,) * 4).funding(DAY + 8 * HOUR, "0.01", 100).bar(2 * DAY, "1d", (100, 103, 99, 101))
    market.funding(2 * DAY + 8 * HOUR, "0.02", 101).bar(3 * DAY, "1d", (101,) * 4)
    assert paid(tmp_path, market, trade={"price": 101}, buy_after=0) == Decimal("20.2")


def test_without_a_mark_it_goes_by_the_price_of_its_moment(tmp_path):
    market = Market(tmp_path / "t").bar(DAY, "1d", (100,) * 4).funding(DAY + 8 * HOUR, "0.01")
    market.bar(2 * DAY, "1d", (100, 100, 100, 90)).bar(3 * DAY, "1d", (90,) * 4)
    kind = type("Mine", (Holds,), {"buy_after": 0})
    play(kind, market.done(), journal=tmp_path / "j")
    assert [each.data["amount"] for each in records(tmp_path / "j", "transfer")] == ["10"]


@pytest.mark.parametrize("ends", ["cancel", "data", "quotes"])
def test_what_waits_for_a_bar_that_does_not_come_is_paid(tmp_path, ends):
    """A limit far away keeps it waiting: it is canceled, the data end, or finer data follow."""

    class Far(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1d@venue")
            self.days = 0

        def on_bar(self, bar):
            self.days += 1
            if self.days == 1:
                self.sell(BTC, 10)
            if self.days == 2:
                self.far = self.buy(BTC, 1, 50)
                self.set_timer("cancel", at=self.now + 10 * HOUR * 10**9)

        def on_timer(self, name):
            if ends == "cancel":
                self.cancel(self.far)

    market = Market(tmp_path / "t").bar(DAY, "1d", (100,) * 4).bar(2 * DAY, "1d", (100,) * 4)
    market.funding(2 * DAY + 8 * HOUR, "0.01", 100)
    if ends == "quotes":
        market.quote(2 * DAY + 9 * HOUR, 99, 101)
    if ends == "cancel":
        market.bar(3 * DAY, "1d", (100,) * 4)
    played = play(Far, market.done(), journal=tmp_path / "j")
    (payment,) = records(tmp_path / "j", "transfer")
    assert payment.data["amount"] == "10"
    assert Decimal(played.loop.equity_text) == 100_010
    if ends != "data":
        hours = 10 if ends == "cancel" else 9
        assert payment.time == START + (2 * DAY + hours * HOUR) * 10**9

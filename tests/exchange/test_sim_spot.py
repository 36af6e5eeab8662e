"""The simulated exchange's rules for orders on spot: what is held back, and what is paid."""

from __future__ import annotations

import pytest
from test_sim_entry import BUY, SELL, Desk, limit, refused

from onetape.exchange.reports import CashReport
from onetape.model.enums import OrderState, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.errors import InsufficientFunds, MarketDataUnavailable


@pytest.fixture
def spot() -> Desk:
    return Desk("kraken")


def free(desk: Desk, side: Side = BUY) -> int:
    low, high = 0, 10**15
    while low < high:
        middle = (low + high + 1) // 2
        code = desk.account.money.check_funds(0, side, desk.at(0), middle, False, PositionSide.BOTH)
        low, high = (low, middle - 1) if code else (middle, high)
    return low


def test_a_stop_on_spot_holds_its_money_back_at_the_worst_price(spot):
    before = free(spot)
    size = before // 2
    terms = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    order = spot.place(BUY, size, trigger=spot.at(5), **terms)
    assert order.is_open
    assert order.reserved >= spot.at(5) * 105 // 100
    assert free(spot) < before - size
    spot.exchange.orders.cancel(spot.account, order, spot.now)
    assert free(spot) == before


@pytest.mark.parametrize(
    ("side", "trigger", "worst"),
    [
        (BUY, 630_000, 661_500),  # a twentieth beyond it
        (BUY, 630_050, 661_600),  # 661,552.5, up to the tick
        (SELL, 570_000, 541_500),
        (SELL, 570_050, 541_500),  # 541,547.5, down to it
    ],
)
def test_a_stop_at_the_market_trades_up_to_a_twentieth_behind_its_trigger(spot, side, trigger, worst):
    spot.exchange.board.change_instrument(0, {"tick": "10"})
    terms = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    order = spot.place(side, 10_000_000, trigger=trigger, **terms)
    assert (order.is_open, order.reserved) == (True, worst)


@pytest.mark.parametrize(("less", "is_open"), [(0, True), (1, False)])
def test_a_stop_on_spot_needs_the_money_of_its_worst_price(spot, less, is_open):
    quote, size = spot.exchange.currencies.index("USD"), 1_000_000
    value = 661_500 * size * 10 ** (18 - spot.i.price_decimals - spot.i.size_decimals)
    needed = value + value * int(spot.i.taker_fee * 10**6) // 10**6
    money = spot.account.money
    money.deposit(quote, needed - less - money.balance(quote))
    terms = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    assert spot.place(BUY, size, trigger=630_000, **terms).is_open is is_open


def test_another_trigger_has_another_worst_price(spot):
    quote, size = spot.exchange.currencies.index("USD"), 1_000_000
    terms = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    order = spot.place(BUY, size, trigger=630_000, **terms)
    assert spot.exchange.orders.amend(spot.account, order, spot.now, trigger=640_000) == 0
    assert (order.trigger, order.reserved) == (640_000, 672_000)
    value = 680_000 * size * 10 ** (18 - spot.i.price_decimals - spot.i.size_decimals)
    spot.account.money.deposit(quote, value - spot.account.money.balance(quote))
    code = spot.exchange.orders.amend(spot.account, order, spot.now, trigger=660_000)
    assert (code, order.trigger, order.reserved) == (InsufficientFunds.code, 640_000, 672_000)


def stop(spot: Desk, side: Side, size: int):
    terms = {"trigger_by": TriggerBy.INDEX, "trigger_kind": TriggerKind.STOP}
    return spot.place(side, size, trigger=spot.at(3 * side.sign), **terms)


@pytest.mark.parametrize("place", ["limit", "stop"])
def test_coins_that_are_to_be_sold_are_held_back(spot, place):
    before = free(spot, SELL)
    order = stop(spot, SELL, 1_000_000) if place == "stop" else spot.place(SELL, 1_000_000, 3)
    assert free(spot, SELL) == before - 1_000_000
    spot.exchange.orders.cancel(spot.account, order, spot.now)
    assert free(spot, SELL) == before


@pytest.mark.parametrize("waits", [False, True])
def test_what_was_sold_is_held_back_no_more(spot, waits):
    before = free(spot, SELL)
    order = stop(spot, SELL, 1_000_000) if waits else spot.place(SELL, 1_000_000)
    if waits:
        spot.exchange.set_mark(0, spot.at(-3), spot.at(-3), spot.now)
    assert (order.state, order.reserved) == (OrderState.FILLED, 0)
    assert free(spot, SELL) == before - 1_000_000


def test_a_stop_with_a_price_of_its_own_holds_that_back(spot):
    terms = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    order = limit(spot, BUY, 1_000_000, 640_000, trigger=630_000, **terms)
    assert (order.is_open, order.reserved) == (True, 640_000)


def test_a_fill_on_spot_is_told_with_both_its_currencies_and_no_position(spot):
    spot.exchange.take()
    spot.place(BUY, 1_000_000)
    quote, base = (spot.exchange.currencies.index(name) for name in ("USD", "BTC"))
    cash = [each for each in spot.exchange.take() if isinstance(each, CashReport)]
    assert [(each.currencies, each.positions, each.at) for each in cash] == [((quote, base), (), 0)]
    assert spot.income("fee") == []


def test_where_a_side_of_the_book_is_empty_no_market_order_is_taken(spot):
    spot.exchange.board.levels = lambda *_: []
    assert refused(spot.place(BUY, 1_000_000)) == MarketDataUnavailable.code


def test_on_spot_nothing_is_bought_that_cannot_be_paid(spot):
    """What stands behind the best price costs more than that."""
    best, more = spot.exchange.board.levels(0, SELL, 2)
    size = best[1] + more[1] - 1000
    money, units = spot.account.money, 10 ** (18 - spot.i.price_decimals - spot.i.size_decimals)
    quote = spot.exchange.currencies.index(spot.i.quote)

    def place_with(cost: int, less: int = 0):
        paid = cost * units + cost * units * int(spot.i.taker_fee * 10**6) // 10**6
        money.deposit(quote, paid - less - money.balance(quote))
        return spot.place(BUY, size)

    average = -(-(best[0] * best[1] + more[0] * (more[1] - 1000)) // size)
    assert refused(place_with(size * average, less=1)) == InsufficientFunds.code
    assert place_with(size * average).state is OrderState.FILLED
    assert 0 <= money.balance(quote) <= 2 * size * units


def test_on_spot_a_fee_may_be_paid_in_coins(spot):
    base, quote = (spot.exchange.currencies.index(name) for name in (spot.i.base, spot.i.quote))
    before, money = spot.amounts()[base], spot.amounts()[quote]
    order = spot.place(BUY, 1_000_000, extra={"fee_in_base": True})
    got = order.filled * 10 ** (18 - spot.i.size_decimals)
    assert order.fee_base > 0
    assert spot.amounts()[base] == before + got - order.fee_base
    assert spot.amounts()[quote] == money - order.cost * 10**9
    assert abs(order.fee_base - got * 4 // 1000) <= 1
    assert spot.account.leverage_of(0) == 1

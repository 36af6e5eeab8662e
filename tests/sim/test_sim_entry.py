"""The simulated exchange's rules for orders, one by one, on a market that stands still."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from onetape.model.enums import (
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.errors import (
    AccountMode,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderUnknown,
    ReduceOnlyViolated,
    SelfTrade,
)
from onetape.sim.venues import open_venue

NOW = 1_795_000_000 * 10**9
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
BUY, SELL = Side.BUY, Side.SELL


class Desk:
    """An account at an exchange; `at` gives prices around the market, in percent."""

    def __init__(self, kind: str = "binance-usdm", *, hedge: bool = False) -> None:
        dialect = open_venue(kind, seed=5, now=NOW, limits=False, rate=0.5, history=30 * 10**9)
        self.exchange = dialect.exchange
        self.account = self.exchange.accounts[0]
        self.index, self.now = 0, self.exchange.now
        self.i = self.exchange.instruments[0]
        self.last = self.exchange.listings[0].last
        if hedge:
            self.exchange.set_hedge(self.account, True, self.now)

    def at(self, percent: float) -> int:
        tick = int(self.i.tick.scaleb(self.i.price_decimals))
        return int(self.last * (100 + percent) / 100) // tick * tick

    def place(self, side: Side, size: int, percent: float | None = None, **more: Any):
        is_limit = percent is not None
        return self.exchange.place(
            self.account, self.index, self.now, side=side, size=size,
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=TimeInForce.GTC if is_limit else TimeInForce.IOC,
            price=self.at(percent) if percent is not None else 0, **more,
        )  # fmt: skip

    def amounts(self) -> list[int]:
        return [int(self.account.money.balance(n)) for n in range(len(self.account.currencies))]

    def income(self, kind: str) -> list[int]:
        return [each.amount for each in self.account.income if each.kind == kind]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refused(order) -> int:
    assert order.state is OrderState.REJECTED
    return order.code


def test_nothing_is_placed_in_what_is_halted(desk):
    desk.exchange.set_open(0, False, desk.now)
    assert refused(desk.place(BUY, 10, -3)) == MarketDataUnavailable.code
    desk.exchange.set_open(0, True, desk.now)
    assert desk.place(BUY, 10, -3).is_open


def test_an_order_names_its_side_where_the_account_has_two(desk):
    assert refused(desk.place(BUY, 10, -3, position_side=LONG)) == AccountMode.code
    hedged = Desk(hedge=True)
    assert refused(hedged.place(BUY, 10, -3)) == AccountMode.code
    assert hedged.place(BUY, 10, -3, position_side=LONG).is_open


def test_in_hedge_mode_no_more_is_closed_than_is_held_and_not_closed_already():
    desk = Desk(hedge=True)
    desk.place(BUY, 10, position_side=LONG)
    assert desk.account.qty(0, LONG) == 10
    assert refused(desk.place(SELL, 11, 3, position_side=LONG)) == ReduceOnlyViolated.code
    assert desk.place(SELL, 7, 3, position_side=LONG).is_open
    assert refused(desk.place(SELL, 4, 3, position_side=LONG)) == ReduceOnlyViolated.code
    assert desk.place(SELL, 3, 3, position_side=LONG).is_open


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("cancel_resting", False, True),
        ("cancel_incoming", True, False),
        ("cancel_both", False, False),
    ],
)
def test_an_order_that_would_trade_with_an_own_one_goes_by_the_rule(desk, rule, old, new):
    resting = desk.place(SELL, 10, -0.0)
    best = desk.exchange.levels(0, SELL, 1)[0][0]
    resting = desk.exchange.place(
        desk.account, 0, desk.now, side=SELL, size=10, type=OrderType.LIMIT, price=best - 1,
    ) if best > resting.price else resting  # fmt: skip
    if not resting.is_open:  # it traded: the market was there
        pytest.skip("no room between the best prices")
    order = desk.exchange.place(
        desk.account, 0, desk.now, side=BUY, size=10, type=OrderType.LIMIT, price=resting.price,
        extra={"self_trade": rule},
    )  # fmt: skip
    assert (resting.is_open, order.state is not OrderState.REJECTED) == (old, new)
    if not new:
        assert order.code == SelfTrade.code


def test_an_own_order_that_is_not_reached_is_left_alone(desk):
    resting = desk.place(SELL, 10, 3)
    order = desk.place(BUY, 10, 4)
    assert (resting.is_open, order.state) == (True, OrderState.FILLED)


def test_what_has_ended_is_not_canceled_or_amended(desk):
    order = desk.place(BUY, 10, -3)
    assert desk.exchange.cancel(desk.account, order, desk.now) == 0
    assert desk.exchange.cancel(desk.account, order, desk.now) == OrderUnknown.code
    assert desk.exchange.amend(desk.account, order, desk.now, size=20) == OrderUnknown.code


@pytest.mark.parametrize("ends", ["cancel", "amend", "fill"])
def test_what_an_order_held_is_free_when_it_has_ended(desk, ends):
    size = 40_000  # as much as the money goes for twice over
    while refused_for_funds(desk, size * 2):
        size //= 2
    order = desk.place(BUY, size, -3)
    before = most(desk)
    if ends == "cancel":
        desk.exchange.cancel(desk.account, order, desk.now)
    elif ends == "amend":
        desk.exchange.amend(desk.account, order, desk.now, size=size // 2)
        assert order.size == size // 2
    else:
        desk.exchange.amend(desk.account, order, desk.now, price=desk.at(-2))
        assert order.price == desk.at(-2)
        desk.exchange.cancel(desk.account, order, desk.now)
    assert most(desk) > before


def refused_for_funds(desk: Desk, size: int) -> bool:
    return bool(desk.account.money.check_funds(0, BUY, desk.at(-3), size, False, PositionSide.BOTH))


def most(desk: Desk) -> int:
    """How much more might be bought now."""
    low, high = 0, 10**9
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if refused_for_funds(desk, middle) else (middle, high)
    return low


def test_a_reduction_that_is_larger_than_the_position_is_cut_and_goes_with_it(desk):
    desk.place(BUY, 10)
    cut = desk.place(SELL, 15, 3, reduce_only=True)
    assert (cut.size, cut.is_open) == (10, True)
    desk.place(SELL, 10)
    assert (cut.state, cut.code) == (OrderState.CANCELED, ReduceOnlyViolated.code)
    desk.exchange.cancel(desk.account, cut, desk.now)
    assert cut.code == ReduceOnlyViolated.code  # why it ended is not overwritten


def test_a_reduction_that_waits_is_cut_to_the_position_when_it_is_triggered(desk):
    desk.place(BUY, 10)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "reduce_only": True}
    stop = desk.place(SELL, 15, trigger=desk.at(-3), **terms)
    assert (stop.size, stop.is_open) == (15, True)
    desk.exchange._set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (stop.size, stop.filled, stop.state) == (10, 10, OrderState.FILLED)
    assert desk.account.open_orders == {}


def test_fees_and_profits_are_in_the_history_and_in_the_balance(desk):
    before = desk.amounts()
    desk.place(BUY, 1000)
    desk.place(SELL, 1000)
    fees, realized = desk.income("fee"), desk.income("realized")
    assert all(fee < 0 for fee in fees)
    assert len(fees) >= 2
    assert realized
    change = sum(desk.amounts()) - sum(before)
    assert change == sum(fees) + sum(realized)


def test_an_order_that_was_filled_is_open_no_more_and_found_by_its_id(desk):
    order = desk.place(BUY, 10, client_id="mine")
    assert desk.account.open_orders == {}
    assert desk.account.open_count[0] == 0
    assert desk.account.by_id[order.id] is order
    again = desk.place(BUY, 10, client_id="mine")
    assert desk.account.by_client_id["mine"] is again


def test_a_renamed_order_is_found_by_its_new_name_alone(desk):
    order = desk.place(BUY, 10, -3, client_id="one")
    desk.exchange.amend(desk.account, order, desk.now, size=20, client_id="two")
    assert "one" not in desk.account.by_client_id
    assert desk.account.by_client_id["two"] is order


def test_balances_are_carried_over_when_the_mode_changes(desk):
    before = desk.amounts()
    desk.exchange.set_hedge(desk.account, True, desk.now)
    assert desk.amounts() == before


def test_leverage_comes_down_to_what_a_new_table_allows(desk):
    desk.account.set_leverage(0, 50)
    row = structs.replace(desk.i.brackets[0], leverage_max=10)
    desk.account.set_brackets(0, (row,))
    assert desk.account.leverage_of(0) == 10


# --- spot -----------------------------------------------------------------------------------------


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
    spot.exchange.cancel(spot.account, order, spot.now)
    assert free(spot) == before


def test_on_spot_nothing_is_bought_that_cannot_be_paid(spot):
    """What stands behind the best price costs more than that."""
    best, more = spot.exchange.levels(0, SELL, 2)
    size = best[1] + more[1]
    money, units = spot.account.money, 10 ** (18 - spot.i.price_decimals - spot.i.size_decimals)
    quote = spot.exchange.currencies.index(spot.i.quote)

    def place_with(cost: int):
        paid = cost * units + cost * units * int(spot.i.taker_fee * 10**6) // 10**6
        money.deposit(quote, paid - money.balance(quote))
        return spot.place(BUY, size)

    assert refused(place_with(size * best[0])) == InsufficientFunds.code
    order = place_with(best[0] * best[1] + more[0] * more[1] + size)  # the average is rounded up
    assert order.state is OrderState.FILLED
    assert 0 <= money.balance(quote) <= 2 * size * units


def test_on_spot_a_fee_may_be_paid_in_coins(spot):
    base = spot.exchange.currencies.index(spot.i.base)
    before = spot.amounts()[base]
    order = spot.place(BUY, 1_000_000, extra={"fee_in_base": True})
    got = order.filled * 10 ** (18 - spot.i.size_decimals)
    assert order.fee_base > 0
    assert spot.amounts()[base] == before + got - order.fee_base
    assert spot.account.leverage_of(0) == 1


# --- orders that wait for a price -----------------------------------------------------------------


def waiting(desk: Desk, kind: str, side: Side, percent: float, **more: Any):
    terms = {
        "client_id": "w", "index": 0, "type": kind, "side": side, "position_side": "both",
        "size": 10, "price": 0, "trigger": desk.at(percent), "by": "last", "tif": "GTC", **more,
    }  # fmt: skip
    return desk.exchange.place_conditional(desk.account, desk.now, **terms)


def glance(desk: Desk, value: int, by: TriggerBy = TriggerBy.LAST) -> None:
    """The market is at a price for a moment."""
    desk.now += 10**9
    desk.exchange.conditionals.on_price(0, by, value, desk.now)


def price(desk: Desk, value: int, by: TriggerBy = TriggerBy.LAST) -> None:
    """The same, and what follows from it has happened."""
    glance(desk, value, by)
    desk.now += 10**9
    desk.exchange.advance(desk.now)


@pytest.mark.parametrize(
    ("kind", "side", "percent", "fires"),
    [
        ("STOP_MARKET", BUY, 3, 1),
        ("STOP_MARKET", SELL, -3, -1),
        ("TAKE_PROFIT_MARKET", BUY, -3, -1),
        ("TAKE_PROFIT_MARKET", SELL, 3, 1),
    ],
)
def test_a_trigger_waits_in_its_direction_and_may_be_met_to_the_unit(
    desk, kind, side, percent, fires
):
    order = waiting(desk, kind, side, percent)
    price(desk, order.trigger - fires)
    assert order.state == "NEW"
    price(desk, order.trigger, TriggerBy.MARK)  # not the price that it names
    assert order.state == "NEW"
    price(desk, order.trigger)
    assert order.state == "FINISHED"
    assert (order.child.client_id, order.child.filled) == ("w", 10)


def test_a_trailing_stop_follows_the_best_price_from_its_activation_on(desk):
    order = waiting(desk, "TRAILING_STOP_MARKET", SELL, 0, activate=desk.at(3), callback=100)
    glance(desk, desk.at(2))
    assert not order.activated
    for percent in (3, 5, 4.5):
        glance(desk, desk.at(percent))
    assert order.trigger == desk.at(5) * 99 // 100
    assert order.state == "NEW"
    price(desk, order.trigger)
    assert order.state == "FINISHED"


@pytest.mark.parametrize("held", [0, 7, 20, -7])  # the order itself names 10
def test_what_closes_a_position_closes_what_is_held_then(desk, held):
    order = waiting(desk, "STOP_MARKET", SELL, -3, close_position=True)
    if held:
        desk.place(BUY if held > 0 else SELL, abs(held))
    price(desk, order.trigger)
    assert order.state == ("FINISHED" if held > 0 else "EXPIRED")
    assert desk.account.qty(0) == min(held, 0)


def test_what_was_to_close_a_position_goes_with_it(desk):
    desk.place(BUY, 7)
    order = waiting(desk, "STOP_MARKET", SELL, -3, close_position=True)
    desk.place(SELL, 7)
    assert order.state == "EXPIRED"


def test_a_child_that_is_refused_ends_the_waiting_order(desk):
    order = waiting(desk, "STOP_MARKET", BUY, 3, size=10**9)
    price(desk, order.trigger)
    assert (order.state, bool(order.reason)) == ("REJECTED", True)


def test_an_order_that_waits_expires_and_its_child_ends_with_it(desk):
    order = waiting(desk, "STOP_MARKET", BUY, 3, expire=desk.now + 10**9)
    desk.exchange.advance(desk.now + 2 * 10**9)
    assert order.state == "EXPIRED"
    desk.now += 3 * 10**9
    limit = waiting(desk, "STOP", BUY, 3, price=desk.at(-3), client_id="v")
    price(desk, limit.trigger)
    assert limit.state == "TRIGGERED"
    desk.exchange.cancel(desk.account, limit.child, desk.now)
    assert limit.state == "FINISHED"

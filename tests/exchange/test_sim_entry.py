"""The simulated exchange's rules for orders, one by one, on a market that stands still."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from onetape.exchange.account import Trade
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.reports import CashReport, OrderReport
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.enums import (
    OrderNews,
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
    OrderBelowMinNotional,
    OrderInvalid,
    OrderUnknown,
    ReduceOnlyViolated,
    SelfTrade,
)

NOW = 1_795_000_000 * 10**9
BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT
BUY, SELL = Side.BUY, Side.SELL


class Desk:
    """An account at an exchange; `at` gives prices around the market, in percent."""

    def __init__(self, kind: str = "binance-usdm", *, hedge: bool = False) -> None:
        dialect = open_venue(kind, seed=5, now=NOW, limits=False, market=Crowd(0.5, 30 * 10**9))
        self.exchange = dialect.exchange
        self.account = self.exchange.accounts[0]
        self.index, self.now = 0, self.exchange.now
        self.i = self.exchange.instruments[0]
        self.last = self.exchange.listings[0].last
        if hedge:
            self.exchange.accounts.set_hedge(self.account, True, self.now)

    def at(self, percent: float) -> int:
        tick = int(self.i.tick.scaleb(self.i.price_decimals))
        return int(self.last * (100 + percent) / 100) // tick * tick

    def place(self, side: Side, size: int, percent: float | None = None, **more: Any):
        is_limit = percent is not None
        return self.exchange.orders.place(
            self.account,
            self.index,
            self.now,
            NewOrder(
                side=side,
                size=size,
                type=OrderType.LIMIT if is_limit else OrderType.MARKET,
                tif=TimeInForce.GTC if is_limit else TimeInForce.IOC,
                price=self.at(percent) if percent is not None else 0,
                **more,
            ),
        )

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
    desk.exchange.board.set_open(0, False, desk.now)
    assert refused(desk.place(BUY, 10, -3)) == MarketDataUnavailable.code
    desk.exchange.board.set_open(0, True, desk.now)
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
    [("cancel_resting", False, True), ("cancel_incoming", True, False), ("cancel_both", False, False)],
)
def test_an_order_that_would_trade_with_an_own_one_goes_by_the_rule(desk, rule, old, new):
    resting = desk.place(SELL, 10, -0.0)
    best = desk.exchange.board.levels(0, SELL, 1)[0][0]
    resting = (
        desk.exchange.orders.place(
            desk.account, 0, desk.now, NewOrder(side=SELL, size=10, type=OrderType.LIMIT, price=best - 1)
        )
        if best > resting.price
        else resting
    )
    if not resting.is_open:  # it traded: the market was there
        pytest.skip("no room between the best prices")
    order = desk.exchange.orders.place(
        desk.account,
        0,
        desk.now,
        NewOrder(side=BUY, size=10, type=OrderType.LIMIT, price=resting.price, extra={"self_trade": rule}),
    )
    assert (resting.is_open, order.state is not OrderState.REJECTED) == (old, new)
    if not new:
        assert order.code == SelfTrade.code


def test_an_own_order_that_is_not_reached_is_left_alone(desk):
    resting = desk.place(SELL, 10, 3)
    order = desk.place(BUY, 10, 4)
    assert (resting.is_open, order.state) == (True, OrderState.FILLED)


def test_what_has_ended_is_not_canceled_or_amended(desk):
    order = desk.place(BUY, 10, -3)
    assert desk.exchange.orders.cancel(desk.account, order, desk.now) == 0
    assert desk.exchange.orders.cancel(desk.account, order, desk.now) == OrderUnknown.code
    assert desk.exchange.orders.amend(desk.account, order, desk.now, size=20) == OrderUnknown.code


@pytest.mark.parametrize("ends", ["cancel", "amend", "fill"])
def test_what_an_order_held_is_free_when_it_has_ended(desk, ends):
    size = 40_000  # as much as the money goes for twice over
    while refused_for_funds(desk, size * 2):
        size //= 2
    order = desk.place(BUY, size, -3)
    before = most(desk)
    if ends == "cancel":
        desk.exchange.orders.cancel(desk.account, order, desk.now)
    elif ends == "amend":
        desk.exchange.orders.amend(desk.account, order, desk.now, size=size // 2)
        assert order.size == size // 2
    else:
        desk.exchange.orders.amend(desk.account, order, desk.now, price=desk.at(-2))
        assert order.price == desk.at(-2)
        desk.exchange.orders.cancel(desk.account, order, desk.now)
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
    desk.exchange.orders.cancel(desk.account, cut, desk.now)
    assert cut.code == ReduceOnlyViolated.code  # why it ended is not overwritten


def test_a_reduction_that_waits_is_cut_to_the_position_when_it_is_triggered(desk):
    desk.place(BUY, 10)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "reduce_only": True}
    stop = desk.place(SELL, 15, trigger=desk.at(-3), **terms)
    assert (stop.size, stop.is_open) == (15, True)
    desk.exchange.set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (stop.size, stop.filled, stop.state) == (10, 10, OrderState.FILLED)
    assert desk.account.open_orders == {}


def test_what_a_settlement_has_closed_is_no_longer_there_for_a_stop(desk):
    desk.place(BUY, 100)
    desk.exchange.clearing.force_close(desk.account, 0, BOTH, desk.now, "settlement")
    desk.place(BUY, 10)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "reduce_only": True}
    stop = desk.place(SELL, 15, trigger=desk.at(-3), **terms)
    desk.exchange.set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (stop.filled, desk.account.qty(0)) == (10, 0)


def test_what_a_settlement_has_closed_of_a_side_is_no_longer_there_for_its_stop():
    desk = Desk(hedge=True)
    desk.place(BUY, 100, position_side=LONG)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "position_side": LONG}
    stop = desk.place(SELL, 15, trigger=desk.at(-3), **terms)
    desk.exchange.clearing.force_close(desk.account, 0, LONG, desk.now, "settlement")
    desk.place(BUY, 10, position_side=LONG)
    desk.exchange.set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (stop.filled, desk.account.qty(0, LONG)) == (10, 0)


def test_a_stop_in_hedge_mode_is_cut_to_what_its_side_holds_when_it_is_triggered():
    desk = Desk(hedge=True)
    desk.place(BUY, 10, position_side=LONG)
    desk.place(SELL, 30, position_side=SHORT)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "position_side": LONG}
    first, second = (desk.place(SELL, 10, trigger=desk.at(-3), **terms) for _ in range(2))
    desk.place(SELL, 4, position_side=LONG)
    desk.exchange.set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (first.size, first.filled, first.state) == (6, 6, OrderState.FILLED)
    assert (second.filled, second.code) == (0, ReduceOnlyViolated.code)
    assert (desk.account.qty(0, LONG), desk.account.qty(0, SHORT)) == (0, -30)


def test_a_resting_close_in_hedge_mode_does_not_turn_its_side_where_a_stop_has_closed_it():
    """In one step of the matching engine, in which nothing can be canceled in between."""
    desk = Desk(hedge=True)
    size = desk.exchange.board.levels(0, BUY, 1)[0][1]
    desk.place(BUY, size + 10, position_side=LONG)
    desk.place(SELL, 10, position_side=SHORT)
    terms = {"trigger_by": TriggerBy.MARK, "trigger": desk.at(-3)}
    first = desk.place(BUY, 10, trigger_kind=TriggerKind.TAKE_PROFIT, position_side=SHORT, **terms)
    second = desk.place(SELL, size + 10, trigger_kind=TriggerKind.STOP, position_side=LONG, **terms)
    best = desk.exchange.board.levels(0, BUY, 1)[0][0]
    close = NewOrder(side=BUY, size=10, type=OrderType.LIMIT, price=best, position_side=SHORT)
    resting = desk.exchange.orders.place(desk.account, 0, desk.now, close)
    desk.exchange.set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (first.filled, second.filled) == (10, size + 10)
    assert (resting.filled, resting.state, resting.code) == (0, OrderState.CANCELED, ReduceOnlyViolated.code)
    assert desk.account.qty(0, SHORT) == 0


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
    second = desk.place(BUY, 10, client_id="mine")
    assert desk.account.by_client_id["mine"] is second


def test_a_renamed_order_is_found_by_its_new_name_alone(desk):
    order = desk.place(BUY, 10, -3, client_id="one")
    desk.exchange.orders.amend(desk.account, order, desk.now, size=20, client_id="two")
    assert "one" not in desk.account.by_client_id
    assert desk.account.by_client_id["two"] is order


def test_balances_are_carried_over_when_the_mode_changes(desk):
    before = desk.amounts()
    desk.exchange.accounts.set_hedge(desk.account, True, desk.now)
    assert desk.amounts() == before


def test_leverage_comes_down_to_what_a_new_table_allows(desk):
    desk.account.set_leverage(0, 50)
    row = structs.replace(desk.i.brackets[0], leverage_max=10)
    desk.account.set_brackets(0, (row,))
    assert desk.account.leverage_of(0) == 10


# --- what counts beside an order ------------------------------------------------------------------


def limit(desk: Desk, side: Side, size: int, price: int, index: int = 0, **more: Any):
    return desk.exchange.orders.place(
        desk.account, index, desk.now, NewOrder(side=side, size=size, type=OrderType.LIMIT, price=price, **more)
    )


def test_what_closes_another_position_or_waits_does_not_close_this_one():
    desk = Desk(hedge=True)
    desk.place(BUY, 10, position_side=LONG)
    desk.place(SELL, 10, position_side=SHORT)
    desk.index = 1
    desk.place(BUY, 10, position_side=LONG)
    assert limit(desk, SELL, 10, 260_000, 1, position_side=LONG).is_open
    assert limit(desk, BUY, 10, desk.at(-3), position_side=SHORT).is_open
    desk.index = 0
    assert desk.place(BUY, 10, -3, position_side=LONG).is_open  # opens more
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    assert desk.place(SELL, 10, trigger=desk.at(-3), position_side=LONG, **terms).is_open
    assert desk.place(SELL, 10, 3, position_side=LONG).is_open


def test_when_a_side_shrinks_what_closes_more_than_is_left_goes():
    desk = Desk(hedge=True)
    desk.place(BUY, 10, position_side=LONG)
    desk.place(SELL, 10, position_side=SHORT)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    waits = desk.place(SELL, 10, trigger=desk.at(-3), position_side=LONG, **terms)
    desk.index = 1
    desk.place(BUY, 10, position_side=LONG)
    desk.index = 0
    opens = desk.place(BUY, 5, -3, position_side=LONG)
    other = desk.place(BUY, 10, -3, position_side=SHORT)
    remote = limit(desk, SELL, 10, 260_000, 1, position_side=LONG)
    fits, goes, too = (desk.place(SELL, size, 3, position_side=LONG) for size in (2, 6, 2))
    # A side has shrunk by 6: four are left.
    desk.account.money.apply_fill(0, SELL, desk.last, 6, 0, LONG)
    desk.exchange.orders._after_fill(fits, 10)
    assert (goes.state, goes.code) == (OrderState.CANCELED, ReduceOnlyViolated.code)
    assert all(each.is_open for each in (waits, opens, other, remote, fits, too))


def test_what_the_venue_closes_by_force_goes_before_what_its_owner_closes():
    desk = Desk(hedge=True)
    desk.place(BUY, 10, position_side=LONG)
    closing = desk.place(SELL, 10, 3, position_side=LONG)
    desk.exchange.clearing.force_close(desk.account, 0, LONG, desk.now, "adl")
    assert desk.account.qty(0, LONG) == 0
    assert (closing.state, closing.code) == (OrderState.CANCELED, ReduceOnlyViolated.code)


def test_what_reduces_or_waits_needs_no_money_now(desk):
    desk.place(BUY, 10)
    desk.place(SELL, 10, 3)
    desk.account.money.deposit(0, -desk.account.money.balance(0))
    held = desk.account.money.initial_margin(0)
    assert desk.place(SELL, 10, 6, reduce_only=True).is_open
    assert desk.account.money.initial_margin(0) == held
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    assert limit(desk, BUY, 10, desk.at(4), trigger=desk.at(4), **terms).is_open
    assert refused(desk.place(SELL, 10, 6)) == InsufficientFunds.code


@pytest.mark.parametrize(("less", "is_open"), [(0, True), (1, False)])
def test_an_order_needs_the_margin_of_its_own_price(desk, less, is_open):
    value = desk.at(-3) * 10 * 10**14
    needed = value // 20 + value * 5 // 10_000
    desk.account.money.deposit(0, needed - less - desk.account.money.balance(0))
    assert desk.place(BUY, 10, -3).is_open is is_open


def test_an_order_that_waits_meets_nobody_yet(desk):
    (best, _), *_ = desk.exchange.board.levels(0, SELL, 1)
    resting = limit(desk, SELL, 10, best - 10)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    waits = limit(desk, BUY, 10, desk.at(4), trigger=desk.at(3), **terms)
    assert (resting.is_open, waits.is_open, waits.id) == (True, True, resting.id + 1)


def test_what_closes_a_side_may_say_that_it_reduces():
    desk = Desk(hedge=True)
    desk.place(BUY, 10, position_side=LONG)
    assert desk.place(SELL, 10, 3, position_side=LONG, reduce_only=True).is_open
    assert not desk.place(BUY, 10, -3, position_side=LONG, reduce_only=True).is_open


def test_a_limit_order_without_a_price_is_no_order(desk):
    assert refused(limit(desk, BUY, 10, 0)) == OrderInvalid.code


@pytest.mark.parametrize(("gone", "side"), [("ask", BUY), ("bid", SELL)])
def test_a_market_order_has_to_know_the_other_side_s_price(desk, gone, side):
    setattr(desk.exchange.listings[0], gone, 0)
    assert refused(desk.place(side, 10)) == MarketDataUnavailable.code
    assert desk.place(side.opposite, 10).state is OrderState.FILLED


def test_an_amendment_that_cannot_be_paid_changes_nothing(desk):
    order = desk.place(BUY, 10, -3)
    held = desk.account.money.initial_margin(0)
    assert desk.exchange.orders.amend(desk.account, order, desk.now, size=10**6) == InsufficientFunds.code
    assert (order.size, order.is_open) == (10, True)
    assert desk.account.money.initial_margin(0) == held


def test_what_rests_of_an_order_is_held_back_and_all_of_it_is_free_in_the_end(desk):
    money, unit = desk.account.money, 10**14
    (price, there), *_ = desk.exchange.board.levels(0, SELL, 1)
    order = limit(desk, BUY, there + 7, price)
    assert (order.state, order.filled, order.left) == (OrderState.PARTIALLY_FILLED, there, 7)
    assert order.cost == price * there

    def needed(left: int) -> int:
        held, rests = desk.exchange.listings[0].mark * there * unit, price * left * unit
        return (held + rests) // 20 + rests * 5 // 10_000  # the fee is held back, too

    assert money.initial_margin(0) == needed(7)
    desk.exchange.orders.amend(desk.account, order, desk.now, size=there + 5)
    assert money.initial_margin(0) == needed(5)
    desk.exchange.orders.cancel(desk.account, order, desk.now)
    desk.place(SELL, there)
    assert (desk.account.qty(0), money.initial_margin(0)) == (0, 0)


# --- own orders that would meet -------------------------------------------------------------------


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(("more", "meets"), [(0, False), (1, True)])
def test_an_own_order_is_met_by_what_better_prices_leave(desk, side, more, meets):
    (_, one), (_, two), (third, _) = desk.exchange.board.levels(0, side.opposite, 3)
    resting = limit(desk, side.opposite, 10, third)
    order = desk.place(side, one + two + more)
    assert order.state is OrderState.FILLED
    assert resting.is_open is not meets
    if meets:
        assert (resting.state, resting.code) == (OrderState.CANCELED, SelfTrade.code)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(("behind", "meets"), [(0, True), (1, False)])
def test_an_own_order_is_met_at_its_very_price(desk, side, behind, meets):
    (best, there), *_ = desk.exchange.board.levels(0, side.opposite, 1)
    resting = limit(desk, side.opposite, 10, best + behind * side.sign)
    limit(desk, side, there + 20, best)
    assert (resting.is_open, resting.filled) == (not meets, 0)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_what_stands_a_unit_before_an_own_order_is_better(desk, side):
    (best, there), *_ = desk.exchange.board.levels(0, side.opposite, 1)
    resting = limit(desk, side.opposite, 10, best + side.sign)
    assert desk.place(side, there).state is OrderState.FILLED
    assert resting.is_open


def test_orders_elsewhere_or_of_one_side_or_that_wait_do_not_meet(desk):
    (best, there), *_ = desk.exchange.board.levels(0, SELL, 1)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    waits = limit(desk, SELL, 10, best - 1000, trigger=desk.at(-3), **terms)
    other = limit(desk, SELL, 10, desk.exchange.board.levels(1, SELL, 1)[0][0], 1)
    same = limit(desk, BUY, 10, desk.at(-3))
    order = desk.place(BUY, there + 5)
    assert order.state is OrderState.FILLED
    assert all(each.is_open for each in (waits, other, same))


def test_an_order_that_only_rests_is_refused_for_that_and_not_for_an_own_one(desk):
    (best, _), *_ = desk.exchange.board.levels(0, SELL, 1)
    resting = limit(desk, SELL, 10, best)
    order = limit(desk, BUY, 10, best, post_only=True)
    assert order.state is not OrderState.FILLED
    assert not order.is_open
    assert order.code != SelfTrade.code
    assert resting.is_open


# --- what is said ---------------------------------------------------------------------------------


def reports(desk: Desk) -> list[tuple]:
    """Of orders, since the last look."""
    said = [each for each in desk.exchange.take() if isinstance(each, OrderReport)]
    return [(each.time, each.news, each.state, each.filled, each.code) for each in said]


def test_each_step_of_an_order_is_told_as_it_stood_then(desk):
    (price, there), *_ = desk.exchange.board.levels(0, SELL, 1)
    desk.exchange.take()
    start = desk.now
    order = limit(desk, BUY, there + 7, price)
    assert reports(desk) == [
        (start, OrderNews.ACCEPTED, OrderState.ACCEPTED, 0, 0),
        (start, None, OrderState.PARTIALLY_FILLED, there, 0),
    ]
    desk.now += 1
    desk.exchange.orders.amend(desk.account, order, desk.now, price=price - 10)
    desk.now += 1
    desk.exchange.orders.cancel(desk.account, order, desk.now)
    assert reports(desk) == [
        (start + 1, OrderNews.UPDATED, OrderState.PARTIALLY_FILLED, there, 0),
        (start + 2, OrderNews.CANCELED, OrderState.CANCELED, there, 0),
    ]
    assert (order.created, order.updated, order.price) == (start, start + 2, price - 10)


def test_a_refusal_is_told_with_its_reason(desk):
    desk.exchange.take()
    order = desk.place(BUY, 10, -3, position_side=LONG)
    assert desk.exchange.take() == [
        OrderReport(desk.now, order, OrderNews.REJECTED, OrderState.REJECTED, 0, 0, None, AccountMode.code)
    ]
    desk.place(BUY, 1, -3)  # less than the instrument's least value: the engine's own word
    assert reports(desk) == [(desk.now, OrderNews.REJECTED, OrderState.REJECTED, 0, OrderBelowMinNotional.code)]
    assert desk.account.open_orders == {}


def test_an_amendment_that_the_engine_refuses_changes_nothing(desk):
    order = desk.place(BUY, 10, -3)
    held = desk.account.money.initial_margin(0)
    desk.exchange.take()
    code = desk.exchange.orders.amend(desk.account, order, desk.now, size=1, client_id="other")
    assert code == OrderBelowMinNotional.code
    assert (order.size, order.client_id, order.is_open) == (10, "", True)
    assert desk.account.money.initial_margin(0) == held
    assert reports(desk) == []


def test_a_stop_that_may_open_is_not_cut(desk):
    desk.place(BUY, 10)
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    stop = desk.place(SELL, 15, trigger=desk.at(-3), **terms)
    desk.now += 1
    desk.exchange.set_mark(0, desk.at(-3), desk.at(-3), desk.now)
    assert (stop.size, stop.filled, stop.updated) == (15, 15, desk.now)
    assert desk.account.qty(0) == -5


def test_an_order_ends_at_its_time(desk):
    order = limit(desk, BUY, 10, desk.at(-3), tif=TimeInForce.GTD, expire=desk.now + 10**9)
    desk.exchange.take()
    desk.exchange.advance(desk.now + 2 * 10**9)
    assert order.state is OrderState.EXPIRED
    assert reports(desk) == [(desk.now + 10**9, OrderNews.EXPIRED, OrderState.EXPIRED, 0, 0)]


def test_a_stop_is_told_when_it_is_triggered_and_waits_no_more(desk):
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    order = limit(desk, BUY, 10, desk.at(-2), trigger=desk.at(3), **terms)
    other = limit(desk, BUY, 10, desk.at(-2), trigger=desk.at(4), **terms)
    desk.exchange.take()
    assert desk.account.money.initial_margin(0) == 0
    desk.now += 1
    desk.exchange.set_mark(0, desk.at(3), desk.at(3), desk.now)
    assert reports(desk) == [(desk.now, OrderNews.TRIGGERED, OrderState.TRIGGERED, 0, 0)]
    assert (order.trigger, order.extra["triggered"], order.is_open) == (0, desk.now, True)
    assert other.trigger == desk.at(4)
    # From here on it is an order of the book, which has its margin.
    value = desk.at(-2) * 10 * 10**14
    assert desk.account.money.initial_margin(0) == value // 20 + value * 5 // 10_000


@pytest.mark.parametrize(
    ("held", "size", "filled"), [(10, 10, 10), (15, 15, 15), (20, 15, 15), (0, 15, 0), (-5, 15, 0)]
)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_reduction_is_cut_where_less_is_held_and_only_there(desk, side, held, size, filled):
    if held:
        desk.place(side.opposite if held > 0 else side, abs(held))
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "reduce_only": True}
    order = desk.place(side, 15, trigger=desk.at(3 * side.sign), **terms)
    value = desk.at(3 * side.sign) + side.sign
    desk.exchange.set_mark(0, value, value, desk.now)
    assert (order.size, order.filled, order.is_open) == (size, filled, False)
    assert desk.account.qty(0) == (filled - held) * side.sign


def test_a_fill_is_told_with_its_money_and_is_in_the_history(desk):
    (price, _), *_ = desk.exchange.board.levels(0, SELL, 1)
    desk.exchange.take()
    order = desk.place(BUY, 10)
    said = desk.exchange.take()
    fee = price * 10 * 10**14 * 5 // 10_000
    fill = next(each.fill for each in said if isinstance(each, OrderReport) and each.fill)
    assert (fill.time, fill.price, fill.size, fill.fee, fill.is_maker, fill.realized) == (
        desk.now,
        price,
        10,
        fee,
        False,
        0,
    )
    assert desk.account.trades[-1] == Trade(order, fill)
    assert [each for each in said if isinstance(each, CashReport)] == [
        CashReport(desk.now, desk.account, "order", (0,), ((0, PositionSide.BOTH),), 0, 0)
    ]
    assert (order.fee, order.value, order.updated) == (fee, price * 10 * 10**14, desk.now)
    assert desk.account.touched == {(0, PositionSide.BOTH): desk.now}
    noted = desk.account.income[-1]
    assert (noted.kind, noted.currency, noted.amount, noted.at, noted.trade_id) == ("fee", 0, -fee, 0, fill.trade_id)
    desk.place(SELL, 10)
    realized = next(each for each in desk.account.income if each.kind == "realized")
    closed = desk.account.trades[-1].fill
    assert (realized.amount, realized.currency, realized.at, realized.trade_id) == (
        closed.realized,
        0,
        0,
        closed.trade_id,
    )


def test_money_of_a_forced_fill_is_told_as_what_forced_it(desk):
    desk.place(BUY, 10)
    desk.exchange.take()
    desk.exchange.clearing.force_close(desk.account, 0, PositionSide.BOTH, desk.now, "adl")
    assert [r.reason for r in desk.exchange.take() if isinstance(r, CashReport)] == ["adl"]


def test_reductions_of_other_positions_and_those_that_wait_stay_when_one_has_gone(desk):
    desk.place(BUY, 10)
    desk.index = 1
    desk.place(BUY, 10)
    other = limit(desk, SELL, 10, 260_000, 1, reduce_only=True)
    desk.index = 0
    terms = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "reduce_only": True}
    waits = desk.place(SELL, 10, trigger=desk.at(-3), **terms)
    plain = desk.place(SELL, 5, 3)
    goes = desk.place(SELL, 10, 3, reduce_only=True)
    desk.place(SELL, 10)
    assert [each.is_open for each in (other, waits, plain, goes)] == [True, True, True, False]

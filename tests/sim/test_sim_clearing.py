"""What a simulated venue does by itself, rule by rule: funding, and closing by force."""

from __future__ import annotations

from decimal import Decimal

import pytest
from test_sim_entry import BUY, SELL, Desk

from onetape.model.enums import OrderState
from onetape.model.money import money_units
from onetape.sim.clearing import maintenance
from onetape.sim.hands import deposit

HOUR = 3600 * 10**9


@pytest.fixture
def desk() -> Desk:
    return Desk()


def drain(desk: Desk, left: str) -> None:
    """The account has so much of what its positions settle in."""
    at = desk.exchange.currencies.index(desk.i.settle)
    desk.account.money.deposit(at, money_units(Decimal(left)) - desk.account.money.balance(at))


def buy(desk: Desk, index: int, size: int) -> None:
    desk.index = index
    assert desk.place(BUY, size).filled == size
    desk.index = 0


def fall(desk: Desk, percent: float, index: int = 0) -> None:
    listing = desk.exchange.listings[index]
    mark = int(listing.last * (100 + percent) / 100)
    desk.now += 10**9
    desk.exchange._set_mark(index, mark, mark, desk.now)


def liquidations(desk: Desk) -> list:
    return [o for o in desk.account.by_id.values() if o.origin == "liquidation"]


@pytest.mark.parametrize(("side", "sign"), [(BUY, -1), (SELL, 1)])
def test_funding_is_paid_by_who_holds_and_is_in_the_history(desk, side, sign):
    desk.place(side, 1000)
    before = desk.amounts()
    desk.exchange.fund(0, desk.now, 100_000_000)
    (paid,) = desk.income("funding")
    assert paid * sign > 0
    assert sum(desk.amounts()) - sum(before) == paid


def test_funding_comes_again_after_its_interval(desk):
    first = desk.exchange.listings[0].funding_time
    desk.exchange._fund(0, first)
    interval = desk.i.funding_interval or 8 * HOUR
    assert desk.exchange.listings[0].funding_time == first + interval


@pytest.mark.parametrize(("side", "percent"), [(BUY, -30), (SELL, 30)])
def test_what_is_left_too_small_is_closed_with_its_orders_and_a_fee(desk, side, percent):
    desk.place(side, 1000)
    resting = desk.place(side, 10, -5 if side is BUY else 5)
    drain(desk, "5000")
    before, seen = sum(desk.amounts()), len(desk.account.income)
    fall(desk, percent)
    noted = sum(each.amount for each in list(desk.account.income)[seen:])
    assert sum(desk.amounts()) - before == noted
    (order,) = liquidations(desk)
    assert (order.side, order.client_id.startswith("autoclose-")) == (side.opposite, True)
    assert resting.state is OrderState.CANCELED
    assert desk.account.qty(0) == 0
    if desk.i.liquidation_fee:
        assert sum(desk.income("liquidation_fee")) < 0
    assert desk.account.cross_balance(desk.exchange.currencies.index(desk.i.settle)) >= 0


def test_a_position_that_is_carried_is_left(desk):
    desk.place(BUY, 1000)
    fall(desk, -1)
    assert liquidations(desk) == []


def test_the_largest_is_closed_first_and_no_more_than_is_needed(desk):
    buy(desk, 1, 10)
    desk.place(BUY, 1000)
    drain(desk, "6000")
    fall(desk, -9.8)
    assert [order.index for order in liquidations(desk)] == [0]
    assert desk.account.qty(1) == 10


def test_a_position_with_margin_of_its_own_is_not_closed_for_the_others(desk):
    desk.exchange.set_isolated(desk.account, 1, True, desk.now)
    buy(desk, 1, 20_000)  # larger than the other
    desk.place(BUY, 300)
    settle = desk.exchange.currencies.index(desk.i.settle)
    apart = Decimal(desk.account.wallet(1, desk.account.sides[0])).scaleb(-18)
    assert apart > 0
    drain(desk, str(1800 + apart))
    fall(desk, -9.8)
    assert [order.index for order in liquidations(desk)] == [0]
    assert not desk.account.money.below_maintenance(settle)


def test_what_a_position_cost_beyond_its_own_margin_is_the_venue_s_loss(desk):
    side = desk.account.sides[0]
    desk.exchange.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000)
    taken = desk.account.wallet(0, side) - money_units(Decimal(10))
    desk.exchange.move_margin(desk.account, 0, side, -taken, desk.now)
    before, seen = desk.amounts()[0], len(desk.account.income)
    fall(desk, -1)
    (order,) = liquidations(desk)
    noted = [each for each in list(desk.account.income)[seen:] if each.kind != "insurance"]
    cost = -sum(each.amount for each in noted)
    assert cost > money_units(Decimal(10))
    assert desk.income("insurance") == [cost - money_units(Decimal(10))]
    assert desk.amounts()[0] == before - money_units(Decimal(10))


def test_closing_by_force_names_why(desk):
    for origin, name in (
        ("liquidation", "autoclose-"), ("adl", "adl_autoclose-"),
        ("settlement", "settlement_autoclose-"),
    ):  # fmt: skip
        desk.place(BUY, 10)
        desk.exchange.force_close(desk.account, 0, desk.account.sides[0], desk.now, origin)
        (order,) = [o for o in desk.account.by_id.values() if o.origin == origin]
        assert order.client_id.startswith(name)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_maintenance_is_of_the_bracket_that_the_value_lies_in(desk, row):
    brackets = desk.i.brackets
    if len(brackets) <= row:
        pytest.skip("no such bracket")
    value = brackets[row].notional_max
    owed = value * brackets[row].maintenance_rate - (brackets[row].maintenance_amount or 0)
    assert maintenance(desk.i, money_units(value)) == money_units(owed)


def test_money_that_comes_is_in_the_balance(desk):
    before = desk.amounts()
    deposit(desk.exchange, desk.account, desk.i.settle, Decimal(5), desk.now, reason="deposit")
    assert sum(desk.amounts()) - sum(before) == money_units(Decimal(5))

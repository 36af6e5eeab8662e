"""One customer of a simulated exchange: what backs its positions, and which orders are found."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from onetape.exchange import account as account_module
from onetape.exchange.account import SimAccount, SimOrder, since
from onetape.exchange.joint import Collateral, Rates
from onetape.model import catalogue
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TimeInForce

ONE = 10**18
BTC, ETH, SPOT = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "kraken:BTC/USD"
BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT
USDT = 0


def account(*symbols: str, changes: dict[str, Any] | None = None, **more: Any) -> SimAccount:
    """changes: of the first instrument."""
    found = [catalogue.find(symbol) for symbol in symbols or (BTC, ETH)]
    instruments = [each for each in found if each is not None]
    instruments[0] = structs.replace(instruments[0], **(changes or {}))
    names = dict.fromkeys(c for i in instruments for c in (i.settle, i.quote, i.base))
    made = SimAccount("main", 1, "k", "s", tuple(instruments), tuple(names), **more)
    made.money.deposit(USDT, 100_000 * ONE)
    return made


def buy(of: SimAccount, index: int = 0, size: int = 1000, side: PositionSide = BOTH) -> None:
    """At 60,000 (BTC), or 6,000 (ETH); a coin unless size says else."""
    of.money.set_mark(index, 600_000)
    of.money.apply_fill(index, Side.BUY, 600_000, size, 0, side)


# --- what backs a position ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "changes", "default", "leverage"),
    [
        (SPOT, {}, 20, 1),
        (BTC, {}, 20, 20),
        (BTC, {}, 200, 125),  # the table's first row allows no more
        (BTC, {"leverage": 50}, 20, 50),
        (BTC, {"leverage": 150}, 20, 125),
        (BTC, {"leverage": 0, "brackets": ()}, 200, 200),
    ],
)
def test_leverage_is_the_usual_one_within_the_table(symbol, changes, default, leverage):
    made = account(symbol, changes=changes, leverage_default=default)
    assert made.leverage_of(0) == leverage


def test_a_table_without_limits_limits_nothing():
    made = account(leverage_default=200)
    rows = made.instruments[0].brackets
    made.set_brackets(0, (structs.replace(rows[0], leverage_max=0),))
    assert made.leverage_of(0) == 200


@pytest.mark.parametrize("is_hedge", [False, True])
def test_maintenance_is_of_the_table_from_the_beginning(is_hedge):
    made = account()
    if is_hedge:
        made.set_hedge(True)
    buy(made, side=LONG if is_hedge else BOTH)
    assert made.money.maintenance_margin(USDT) == 250 * ONE  # 0.5 % of 60,000 less 50


def test_leverage_that_was_chosen_is_of_its_instrument_and_in_the_margin():
    made = account()
    buy(made)
    assert made.money.initial_margin(USDT) == 3000 * ONE  # 60,000 at 20
    made.set_leverage(0, 50)
    assert (made.leverage_of(0), made.leverage_of(1)) == (50, 20)
    assert made.money.initial_margin(USDT) == 1200 * ONE


@pytest.mark.parametrize(("chosen", "left"), [(50, 10), (5, 5), (None, 10)])
def test_a_new_table_lowers_leverage_and_holds_for_what_is_held(chosen, left):
    made = account()
    buy(made)
    if chosen:
        made.set_leverage(0, chosen)
    row = structs.replace(
        made.instruments[0].brackets[0], notional_max=Decimal(10**6), leverage_max=10, maintenance_rate=Decimal("0.05")
    )
    made.set_brackets(0, (row,))
    assert made.instruments[0].brackets == (row,)
    assert made.leverage_of(0) == left
    assert made.money.initial_margin(USDT) == 60_000 * ONE // left
    assert made.money.maintenance_margin(USDT) == 3000 * ONE
    assert made.leverage_of(1) == 20
    made.set_brackets(0, ())
    assert made.leverage_of(0) == (left if chosen else 20)


def test_what_is_set_apart_is_not_shared():
    made = account()
    made.set_isolated(0, True)
    buy(made)
    buy(made, 1)
    assert (made.wallet(0, BOTH), made.wallet(1, BOTH)) == (3000 * ONE, 0)
    assert made.cross_balance(USDT) == 97_000 * ONE
    assert made.cross_balance(1) == 0  # of another currency nothing is apart
    made.money.set_mark(0, 610_000)
    assert made.cross_equity(USDT) == 97_000 * ONE
    made.money.set_mark(1, 610_000)
    assert made.cross_equity(USDT) == 97_100 * ONE


def test_what_is_no_longer_isolated_shares_the_wallet():
    made = account()
    made.set_isolated(0, True)
    made.set_isolated(1, True)
    made.set_isolated(0, False)
    buy(made)
    assert made.wallet(0, BOTH) == 0
    assert made.isolated == {1}
    buy(made, 1)
    assert made.wallet(1, BOTH) == 300 * ONE  # 6,000 at 20


def test_what_is_apart_stays_so_when_another_instrument_is_isolated():
    made = account()
    made.set_isolated(0, True)
    buy(made)
    made.set_isolated(1, True)
    assert made.wallet(0, BOTH) == 3000 * ONE
    assert made.qty(0) == 1000


def test_another_leverage_sets_another_margin_apart():
    made = account()
    made.set_isolated(0, True)
    made.set_leverage(0, 10)
    buy(made)
    assert made.wallet(0, BOTH) == 6000 * ONE


@pytest.mark.parametrize("mode", ["cross", "isolated", "joint"])
def test_hedge_mode_keeps_the_balances_and_how_margin_is_shared(mode):
    made = account()
    made.money.deposit(1, 7 * ONE)
    rates = {0: Rates.of(ONE, Collateral(Decimal(0), Decimal(0), Decimal(1)))}
    if mode == "isolated":
        made.set_isolated(0, True)
    if mode == "joint":
        made.set_joint(lambda currency: rates.get(currency, Rates(0, 0, 0, 0, 0)))
    made.set_hedge(True)
    assert [int(made.money.balance(at)) for at in range(3)] == [100_000 * ONE, 7 * ONE, 0]
    assert made.sides == (LONG, SHORT)
    buy(made, side=LONG)
    assert (made.qty(0, LONG), made.qty(0, SHORT)) == (1000, 0)
    assert made.has_position(0)
    assert not made.has_position(1)
    assert made.wallet(0, LONG) == (3000 * ONE if mode == "isolated" else 0)
    assert (made.joint is not None) is (mode == "joint")
    if mode == "joint":
        assert made.money.equity_usd() == 100_000 * ONE


def test_without_hedge_mode_a_position_has_one_side():
    made = account()
    assert made.sides == (BOTH,)
    buy(made)
    assert made.qty(0) == 1000


def test_joint_margin_is_of_all_currencies_and_set_once():
    made = account()
    made.money.deposit(1, 2 * ONE)  # BTC
    terms = Collateral(Decimal(0), Decimal(0), Decimal(1))
    worth = {0: Rates.of(ONE, terms), 1: Rates.of(60_000 * ONE, terms)}
    own = made.money
    made.set_joint(lambda currency: worth.get(currency, Rates(0, 0, 0, 0, 0)))
    joint = made.money
    assert joint.equity_usd() == 220_000 * ONE
    assert joint.available(USDT) == 220_000 * ONE
    made.set_joint(lambda _: Rates(0, 0, 0, 0, 0))
    assert made.money is joint
    # 40 coins of ETH at 6,000 and a leverage of 20: for 12,000. Of USDT alone it could be 333.
    assert joint.check_funds(1, "buy", 600_000, 600_000, False, "both") == 0
    assert joint.check_funds(1, "buy", 600_000, 800_000, False, "both") != 0
    made.set_joint(None)
    assert (made.money, made.joint) == (own, None)
    made.set_joint(None)
    assert made.money is own


# --- orders ---------------------------------------------------------------------------------------


def order(of: SimAccount, number: int, name: str = "", index: int = 0) -> SimOrder:
    made = SimOrder(
        number, name, of, index, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 1,
        post_only=False, reduce_only=False, position_side=BOTH, created=0, updated=0,
        state=OrderState.ACCEPTED,
    )  # fmt: skip
    of.remember(made)
    return made


def end(of: SimAccount, made: SimOrder) -> None:
    made.state = OrderState.CANCELED
    of.forget_open(made)


def test_open_orders_are_counted_by_instrument():
    made = account()
    first, second = order(made, 1), order(made, 2)
    order(made, 3, index=1)
    assert made.open_count == {0: 2, 1: 1}
    end(made, first)
    end(made, first)  # once
    assert made.open_count == {0: 1, 1: 1}
    assert list(made.open_orders) == [2, 3]
    assert list(made.closed) == [first]
    assert (made.by_id[1], made.by_id[2]) == (first, second)


def test_an_order_that_was_refused_at_the_door_is_never_open():
    made = account()
    refused = order(made, 1)
    end(made, refused)
    made.unfilled.clear()
    made.remember(refused)
    assert (made.open_orders, made.open_count[0]) == ({}, 0)
    assert made.by_id[1] is refused


def test_an_order_without_a_client_id_has_none():
    made = account()
    order(made, 1)
    assert made.by_client_id == {}


def test_the_history_is_bounded_and_what_falls_out_is_forgotten(monkeypatch):
    monkeypatch.setattr(account_module, "UNFILLED_MAX", 2)
    made = account()
    for number, name in ((1, "a"), (2, "b"), (3, "a"), (4, "")):
        end(made, order(made, number, name))
    assert [each.id for each in made.closed] == [3, 4]
    assert sorted(made.by_id) == [3, 4]
    # The newer order of an id is still found by it.
    assert {name: each.id for name, each in made.by_client_id.items()} == {"a": 3}


def test_a_renamed_order_leaves_the_name_to_who_else_has_it():
    made = account()
    first, second = order(made, 1, "a"), order(made, 2, "a")
    made.rename(first, "b")
    assert made.by_client_id == {"a": second, "b": first}
    assert (first.client_id, second.client_id) == ("b", "a")
    made.rename(second, "")
    assert made.by_client_id == {"b": first}
    made.rename(first, "b")
    assert made.by_client_id == {"b": first}


def test_what_is_dropped_has_never_been():
    made = account()
    older, newer = order(made, 8, "c"), order(made, 9, "c")
    made.drop(older)  # with nothing in the history
    assert made.by_client_id == {"c": newer}
    made.drop(newer)
    kept, gone = order(made, 1, "a"), order(made, 2, "b")
    end(made, kept)
    end(made, gone)
    made.drop(gone)
    assert (list(made.closed), list(made.by_id)) == ([kept], [1])
    assert made.by_client_id == {"a": kept}
    open_one = order(made, 3, "a")
    made.drop(open_one)
    assert (made.open_orders, made.open_count[0]) == ({}, 0)
    assert list(made.closed) == [kept]
    assert made.by_client_id == {}


@pytest.mark.parametrize(("start", "found"), [(0, [1, 3, 3, 5]), (3, [3, 3, 5]), (4, [5]), (6, [])])
def test_a_history_is_read_from_a_time_on_oldest_first(start, found):
    assert since([1, 3, 3, 5], start, lambda row: row) == found

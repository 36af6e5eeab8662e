"""What a simulated venue does by itself, rule by rule: funding, and closing by force."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec import structs
from test_sim_entry import BUY, SELL, Desk

from onetape.exchange.hands import deposit
from onetape.exchange.joint import Collateral
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.reports import CallReport, CashReport
from onetape.model.enums import OrderState, OrderType, PositionSide, Side
from onetape.model.errors import InsufficientFunds
from onetape.model.money import money_units

HOUR = 3600 * 10**9
BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT
ONE = 10**18


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
    desk.exchange.set_mark(index, mark, mark, desk.now)


def mark(desk: Desk, value: int) -> None:
    desk.now += 10**9
    desk.exchange.set_mark(0, value, value, desk.now)


def records(desk: Desk, kind: type, reason: str = "") -> list:
    """What was said since the last look, of a kind."""
    said = [each for each in desk.exchange.take() if isinstance(each, kind)]
    return [each for each in said if not reason or each.reason == reason]


def back(desk: Desk, left: int, side: PositionSide = BOTH) -> None:
    """An isolated position has so much left of its margin, at the mark of now."""
    account, listing = desk.account, desk.exchange.listings[0]
    position = account.money.position(0, side.value)
    has = account.wallet(0, side) + int(position.unrealized(account.specs[0], listing.mark))
    desk.exchange.accounts.move_margin(account, 0, side, left - has, desk.now)


def owed(desk: Desk, size: int) -> int:
    return desk.i.maintenance_units(desk.exchange.listings[0].mark * size * 10**14)


def liquidations(desk: Desk) -> list:
    return [o for o in desk.account.by_id.values() if o.origin == "liquidation"]


@pytest.mark.parametrize(("side", "sign"), [(BUY, -1), (SELL, 1)])
def test_funding_is_paid_by_who_holds_and_is_in_the_history(desk, side, sign):
    desk.place(side, 1000)
    before = desk.amounts()
    desk.exchange.clearing.fund(0, desk.now, 100_000_000)
    (paid,) = desk.income("funding")
    assert paid * sign > 0
    assert sum(desk.amounts()) - sum(before) == paid


def test_funding_comes_again_after_its_interval(desk):
    first = desk.exchange.listings[0].funding_time
    desk.exchange.clearing._fund(0, first)
    interval = desk.i.funding_interval or 8 * HOUR
    assert desk.exchange.listings[0].funding_time == first + interval


@pytest.mark.parametrize("field", ["mark", "last"])
@pytest.mark.parametrize("held", [LONG, SHORT, BOTH])
def test_what_was_paid_and_for_which_position_is_told(field, held):
    """By the mark; by the last price where there is none."""
    desk = Desk(hedge=held is not BOTH)
    desk.place(SELL if held is SHORT else BUY, 1000, position_side=held)
    listing = desk.exchange.listings[0]
    listing.mark, listing.last = (590_000, 610_000) if field == "mark" else (0, 590_000)
    desk.exchange.take()
    desk.exchange.clearing.fund(0, desk.now, 100_000_000)
    paid = (1 if held is SHORT else -1) * 59_000 * ONE // 10_000  # a coin, 0.01 %
    assert records(desk, CashReport) == [CashReport(desk.now, desk.account, "funding", (0,), ((0, held),), paid, 0)]
    (noted,) = [each for each in desk.account.income if each.kind == "funding"]
    assert (noted.time, noted.currency, noted.amount, noted.at) == (desk.now, 0, paid, 0)
    assert list(listing.fundings) == [(desk.now, 100_000_000, 590_000)]


def test_who_holds_nothing_neither_pays_nor_is_told(desk):
    other = desk.exchange.accounts.open("other", "k", "s", {"USDT": "1000"})
    desk.place(BUY, 1000)
    desk.exchange.clearing.fund(0, desk.now, 100_000_000)
    assert [each.account for each in records(desk, CashReport, "funding")] == [desk.account]
    assert [each.kind for each in other.income] == ["deposit"]


def test_where_no_price_is_known_nothing_is_paid(desk):
    desk.place(BUY, 1000)
    listing = desk.exchange.listings[0]
    listing.mark = listing.last = 0
    desk.exchange.clearing.fund(0, desk.now, 100_000_000)
    assert desk.income("funding") == []
    assert list(listing.fundings) == []


@pytest.mark.parametrize(("interval", "hours"), [(4 * HOUR, 4), (0, 8)])
def test_funding_is_due_at_the_whole_intervals_of_the_day(desk, interval, hours):
    listing = desk.exchange.listings[0]
    listing.instrument = structs.replace(listing.instrument, funding_interval=interval)
    begin = 1000 * 24 * HOUR
    desk.exchange.clearing._schedule_funding(0, begin + 2 * hours * HOUR + 5)
    assert listing.funding_time == begin + 3 * hours * HOUR


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


@pytest.mark.parametrize("is_joint", [False, True])
def test_the_largest_is_closed_first_and_no_more_than_is_needed(desk, is_joint):
    if is_joint:
        join(desk)
    buy(desk, 1, 20_000)  # more in number, less in value
    desk.place(BUY, 1000)
    drain(desk, "6000")
    fall(desk, -9.8)
    assert [order.index for order in liquidations(desk)] == [0]
    assert desk.account.qty(1) == 20_000


def test_a_position_with_margin_of_its_own_is_not_closed_for_the_others(desk):
    desk.exchange.accounts.set_isolated(desk.account, 1, True, desk.now)
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
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000)
    taken = desk.account.wallet(0, side) - money_units(Decimal(10))
    desk.exchange.accounts.move_margin(desk.account, 0, side, -taken, desk.now)
    before, seen = desk.amounts()[0], len(desk.account.income)
    fall(desk, -1)
    assert len(liquidations(desk)) == 1
    noted = [each for each in list(desk.account.income)[seen:] if each.kind != "insurance"]
    cost = -sum(each.amount for each in noted)
    assert cost > money_units(Decimal(10))
    assert records(desk, CashReport, "insurance") == [
        CashReport(desk.now, desk.account, "insurance", (0,), (), cost - money_units(Decimal(10)), 0)
    ]
    assert desk.amounts()[0] == before - money_units(Decimal(10))


@pytest.mark.parametrize(("more", "stays"), [(0, False), (1, True)])
def test_an_isolated_position_ends_when_no_more_is_left_than_it_owes(desk, more, stays):
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000)
    back(desk, owed(desk, 1000) + more)
    mark(desk, desk.exchange.listings[0].mark)
    assert bool(desk.account.qty(0)) is stays


def test_with_a_side_that_ends_go_its_own_orders_alone():
    desk = Desk(hedge=True)
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    for side, leg in ((BUY, LONG), (SELL, SHORT)):
        desk.place(side, 300, position_side=leg)
    gone = desk.place(SELL, 100, 5, position_side=LONG)
    stays = desk.place(BUY, 100, -5, position_side=SHORT)
    desk.index = 1
    other = desk.exchange.orders.place(
        desk.account, 1, desk.now, NewOrder(side=BUY, size=10, type=OrderType.LIMIT, price=200_000, position_side=LONG)
    )
    back(desk, money_units(Decimal(1)), LONG)
    mark(desk, desk.exchange.listings[0].mark)
    assert (gone.state, gone.code) == (OrderState.CANCELED, InsufficientFunds.code)
    assert stays.is_open
    assert other.is_open
    assert (desk.account.qty(0, LONG), desk.account.qty(0, SHORT)) == (0, -300)


@pytest.mark.parametrize(("more", "calls"), [(0, 1), (10, 0)])
def test_an_owner_is_called_when_four_fifths_of_what_is_left_are_owed(desk, more, calls):
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000)
    desk.exchange.take()
    back(desk, owed(desk, 1000) * 10 // 8 + more)
    mark(desk, desk.exchange.listings[0].mark)
    called = CallReport(desk.now, desk.account, ((0, BOTH),))
    assert records(desk, CallReport) == [called] * calls


def test_an_owner_is_called_once_and_again_when_it_was_better(desk):
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000)
    for part, calls in ((12, 1), (11, 0), (20, 0), (12, 1)):
        desk.exchange.take()
        back(desk, owed(desk, 1000) * part // 10)
        mark(desk, desk.exchange.listings[0].mark)
        assert len(records(desk, CallReport)) == calls


def cross_left(desk: Desk, left: int) -> None:
    """What its positions share is so much, at the mark of now."""
    desk.account.money.deposit(0, left - desk.account.cross_equity(0))


def join(desk: Desk, **terms: Collateral) -> None:
    """All currencies are one margin; those without terms do not count."""
    desk.exchange.accounts.collateral = {"USDT": Collateral(Decimal(0), Decimal(0), Decimal(10_000)), **terms}
    desk.exchange.accounts.set_joint(desk.account, True, desk.now)


@pytest.mark.parametrize("is_joint", [False, True])
@pytest.mark.parametrize(("more", "calls"), [(0, 1), (10, 0)])
def test_what_shares_a_wallet_is_called_with_it(desk, more, calls, is_joint):
    if is_joint:
        join(desk)
    desk.place(BUY, 1000)
    buy(desk, 1, 10)
    desk.exchange.take()
    cross_left(desk, int(desk.account.money.maintenance_margin(0)) * 10 // 8 + more)
    mark(desk, desk.exchange.listings[0].mark)
    called = CallReport(desk.now, desk.account, ((0, BOTH), (1, BOTH)))
    assert records(desk, CallReport) == [called] * calls


@pytest.mark.parametrize("is_joint", [False, True])
def test_what_shares_a_wallet_is_called_once_and_again_when_it_was_better(desk, is_joint):
    if is_joint:
        join(desk)
    desk.place(BUY, 1000)
    resting = desk.place(BUY, 10, -5)
    for part, calls in ((12, 1), (11, 0), (20, 0), (12, 1)):
        desk.exchange.take()
        cross_left(desk, int(desk.account.money.maintenance_margin(0)) * part // 10)
        mark(desk, desk.exchange.listings[0].mark)
        assert len(records(desk, CallReport)) == calls
    assert liquidations(desk) == []
    assert resting.is_open


@pytest.mark.parametrize("is_joint", [False, True])
@pytest.mark.parametrize(("more", "stays"), [(0, True), (-1, False)])
def test_what_shares_a_wallet_is_carried_by_as_much_as_it_owes(desk, more, stays, is_joint):
    if is_joint:
        join(desk)
    desk.place(BUY, 1000)
    resting = desk.place(BUY, 10, -5)
    cross_left(desk, int(desk.account.money.maintenance_margin(0)) + more)
    mark(desk, desk.exchange.listings[0].mark)
    assert (bool(desk.account.qty(0)), resting.is_open) == (stays, stays)


def test_what_settles_in_another_currency_is_not_touched():
    desk = Desk("bitmex")
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)  # a word only: it ends with all
    buy(desk, 2, 10_000)
    desk.place(BUY, 10_000)
    resting = desk.place(BUY, 100, -5)
    desk.index = 2
    other = desk.exchange.orders.place(
        desk.account, 2, desk.now, NewOrder(side=BUY, size=1000, type=OrderType.LIMIT, price=6000)
    )
    desk.account.money.deposit(0, 1 - desk.account.cross_equity(0))
    mark(desk, desk.exchange.listings[0].mark)
    assert (resting.state, other.is_open) == (OrderState.CANCELED, True)
    assert (desk.account.qty(0), desk.account.qty(2)) == (0, 10_000)


@pytest.mark.parametrize("is_joint", [False, True])
def test_what_all_positions_cost_beyond_the_wallet_is_the_venue_s_loss(desk, is_joint):
    if is_joint:
        join(desk)
    desk.place(BUY, 1000)
    resting = desk.place(BUY, 10, -5)
    drain(desk, "1")
    desk.exchange.take()
    mark(desk, desk.exchange.listings[0].mark)
    (order,) = liquidations(desk)
    assert (resting.state, resting.code) == (OrderState.CANCELED, InsufficientFunds.code)
    insured = order.fee + money_units(Decimal(-1)) - sum(desk.income("realized"))
    assert desk.account.cross_balance(0) == 0
    assert desk.income("insurance") == [insured]
    assert records(desk, CashReport, "insurance") == [
        CashReport(desk.now, desk.account, "insurance", (0,), (), insured, 0)
    ]
    assert desk.exchange.clearing.insurance == {0: insured}
    assert desk.income("liquidation_fee") == [0]  # nothing is left to pay it from


def test_a_liquidation_is_an_order_that_reduces_and_its_fee_is_told(desk):
    desk.place(BUY, 1000)
    drain(desk, "5000")
    desk.exchange.take()
    fall(desk, -30)
    (order,) = liquidations(desk)
    assert (order.reduce_only, order.position_side, order.size) == (True, BOTH, 1000)
    assert order.client_id == f"autoclose-{order.id}"
    fee = order.value * 12 // 1000
    assert desk.income("liquidation_fee") == [-fee]
    assert records(desk, CashReport, "liquidation_fee") == [
        CashReport(desk.now, desk.account, "liquidation_fee", (0,), (), -fee, 0)
    ]


def test_a_side_of_a_hedge_is_closed_as_that_side():
    desk = Desk(hedge=True)
    desk.place(SELL, 1000, position_side=SHORT)
    drain(desk, "5000")
    fall(desk, 30)
    (order,) = liquidations(desk)
    assert (order.side, order.position_side, order.reduce_only) == (BUY, SHORT, False)
    assert desk.account.qty(0, SHORT) == 0


def test_what_is_left_of_an_isolated_margin_is_its_owner_s(desk):
    fee_free = structs.replace(desk.i, liquidation_fee=Decimal(0))
    desk.exchange.board.replace(0, fee_free)
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000)
    back(desk, owed(desk, 1000))
    before, seen = desk.amounts()[0], len(desk.account.income)
    mark(desk, desk.exchange.listings[0].mark)
    noted = list(desk.account.income)[seen:]
    assert {each.kind for each in noted} == {"realized", "fee"}
    assert desk.amounts()[0] - before == sum(each.amount for each in noted)
    assert desk.amounts()[0] == desk.account.cross_balance(0)


def leave(desk: Desk, side: Side, size: int) -> None:
    """Somebody takes all but so much of what the book has of a side."""
    there = sum(size for _, size in desk.exchange.board.levels(0, side, 1000))
    taker = SELL if side is BUY else BUY
    desk.exchange.flow.request(0, 99, desk.now, order_id=1, side=taker, type="market", tif="IOC", size=there - size)


@pytest.mark.parametrize("mode", ["cross", "joint"])
def test_while_a_part_is_held_no_loss_of_a_shared_wallet_is_the_venue_s(desk, mode):
    """The book does not have enough to close all of it."""
    if mode == "joint":
        join(desk)
    desk.place(BUY, 1000)
    cross_left(desk, 1)
    leave(desk, BUY, 100)
    mark(desk, desk.exchange.listings[0].mark)
    assert desk.account.qty(0) == 900
    assert desk.income("insurance") == []


@pytest.mark.parametrize("kind", ["binance-usdm", "pacifica"])
@pytest.mark.parametrize(("side", "rests"), [(BUY, BUY), (SELL, SELL)])
def test_a_part_of_an_isolated_position_costs_no_more_than_its_share_of_the_margin(kind, side, rests):
    """The book does not have enough to close all of it."""
    desk = Desk(kind)
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    assert desk.place(side, 1000).filled == 1000
    settle = desk.exchange.currencies.index(desk.i.settle)
    back(desk, 1)
    margin, free = desk.account.wallet(0, BOTH), desk.account.cross_balance(settle)
    leave(desk, rests, 100)
    value = desk.exchange.listings[0].mark
    mark(desk, value * (97 if side is BUY else 103) // 100)
    assert abs(desk.account.qty(0)) == 900
    assert sum(desk.income("insurance")) > 0
    assert desk.account.cross_balance(settle) == free
    assert desk.account.wallet(0, BOTH) == margin - round(Fraction(margin, 10))


def test_a_side_that_holds_nothing_is_not_called():
    desk = Desk(hedge=True)
    desk.exchange.accounts.set_isolated(desk.account, 0, True, desk.now)
    desk.place(BUY, 1000, position_side=LONG)
    desk.exchange.take()
    mark(desk, desk.exchange.listings[0].mark)
    assert records(desk, CallReport) == []


def test_funding_of_an_inverse_position_is_by_its_value_in_coins():
    desk = Desk("bitmex")
    desk.place(BUY, 10_000)
    desk.exchange.listings[0].mark = 500_000
    desk.exchange.clearing.fund(0, desk.now, 100_000_000)
    assert desk.income("funding") == [-(10_000 * ONE // 50_000 // 10_000)]


def test_where_nothing_is_held_nothing_is_closed(desk):
    desk.exchange.clearing.force_close(desk.account, 0, BOTH, desk.now, "adl")
    assert desk.account.by_id == {}


def test_closing_by_force_names_why(desk):
    for origin, name in (
        ("liquidation", "autoclose-"),
        ("adl", "adl_autoclose-"),
        ("settlement", "settlement_autoclose-"),
    ):
        desk.place(BUY, 10)
        desk.exchange.clearing.force_close(desk.account, 0, desk.account.sides[0], desk.now, origin)
        (order,) = [o for o in desk.account.by_id.values() if o.origin == origin]
        assert order.client_id.startswith(name)
        assert len(desk.income("liquidation_fee")) == 1  # of the liquidation alone


@pytest.mark.parametrize("row", [0, 1, 2])
def test_maintenance_is_of_the_bracket_that_the_value_lies_in(desk, row):
    brackets = desk.i.brackets
    if len(brackets) <= row:
        pytest.skip("no such bracket")
    value = brackets[row].notional_max
    owed = value * brackets[row].maintenance_rate - (brackets[row].maintenance_amount or 0)
    assert desk.i.maintenance_units(money_units(value)) == money_units(owed)


@pytest.mark.parametrize(("row", "more"), [(0, "0.01"), (1, "0.01"), (-1, "1")])
def test_beyond_a_bracket_the_next_one_holds_and_beyond_the_last_goes_on(desk, row, more):
    rows = desk.i.brackets
    value = rows[row].notional_max + Decimal(more)
    holds = rows[row + 1] if row >= 0 else rows[-1]
    rate, amount = holds.maintenance_rate, holds.maintenance_amount
    assert desk.i.maintenance_units(money_units(value)) == money_units(value * rate - amount)


def test_a_bracket_holds_to_its_very_edge_where_the_next_one_jumps(desk):
    first, second = desk.i.brackets[:2]
    jumps = structs.replace(desk.i, brackets=(first, structs.replace(second, maintenance_amount=Decimal(0))))
    edge = first.notional_max
    assert jumps.maintenance_units(money_units(edge)) == money_units(edge * first.maintenance_rate)
    assert jumps.maintenance_units(money_units(edge) + ONE) == money_units((edge + 1) * second.maintenance_rate)


# --- one margin of all currencies -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "mark", "last", "price"), [(2500, 2600, 2700, 2500), (0, 2600, 2700, 2600), (0, 0, 2700, 2700)]
)
def test_a_coin_counts_at_the_index_of_its_own_market(desk, index, mark, last, price):
    desk.exchange.accounts.collateral = {"ETH": Collateral(Decimal("0.1"), Decimal("0.2"), Decimal(1))}
    listing = desk.exchange.listings[1]
    listing.index, listing.mark, listing.last = index * 100, mark * 100, last * 100
    rates = desk.exchange.accounts.rates(desk.exchange.currencies.index("ETH"))
    assert rates == (
        price * ONE,
        price * ONE * 9 // 10,
        price * ONE * 11 // 10,
        price * ONE * 8 // 10,
        price * ONE * 12 // 10,
        0,
    )


def test_a_dollar_is_worth_one_less_its_haircut(desk):
    assert desk.exchange.accounts.rates(0)[:3] == (ONE, ONE - ONE // 10_000, ONE + ONE // 10_000)


def test_what_is_no_collateral_or_has_no_market_does_not_count(desk):
    eth = desk.exchange.currencies.index("ETH")
    assert set(desk.exchange.accounts.rates(eth)) == {0}
    desk.exchange.accounts.collateral = {"ETH": Collateral(Decimal(0), Decimal(0), Decimal(1))}
    desk.exchange.board.listings = desk.exchange.listings[:1]
    assert set(desk.exchange.accounts.rates(eth)) == {0}


COIN = Collateral(Decimal(0), Decimal("0.1"), Decimal(1))  # exchanged at a tenth less


@pytest.mark.parametrize(
    ("coins", "amount_paid", "left"),
    [(1, 201_851_852, 0), ("0.1", 100_000_000, -5500)],  # at 54,000: of a billionth at least
)
def test_a_debt_is_paid_with_what_there_is_of_other_currencies(desk, coins, amount_paid, left):
    join(desk, BTC=COIN)
    desk.exchange.listings[0].index = 600_000
    money = desk.account.money
    money.deposit(1, money_units(Decimal(coins)) - money.balance(1))
    money.deposit(0, money_units(Decimal(-10_900)) - money.balance(0))
    desk.exchange.take()
    desk.exchange.clearing._check_joint(desk.account, 0, desk.now)
    paid = money_units(Decimal(coins)) - money.balance(1)
    assert -(-paid // 10**9) == amount_paid
    assert money.balance(0) == money_units(Decimal(left))
    got = money_units(Decimal(left + 10_900))
    assert [(r.reason, r.currencies, r.amount) for r in records(desk, CashReport)] == [
        ("auto_exchange", (1,), -paid),
        ("auto_exchange", (0,), got),
    ]
    assert [(r.kind, r.currency, r.amount, r.at) for r in list(desk.account.income)[-2:]] == [
        ("auto_exchange", 1, -paid, -1),
        ("auto_exchange", 0, got, -1),
    ]


def test_a_debt_up_to_its_limit_is_left(desk):
    join(desk, BTC=COIN)
    desk.account.money.deposit(0, money_units(Decimal(-10_000)) - desk.account.money.balance(0))
    mark(desk, desk.exchange.listings[0].mark)
    assert desk.income("auto_exchange") == []


def test_money_that_comes_is_in_the_balance(desk):
    before = desk.amounts()
    deposit(desk.exchange, desk.account, desk.i.settle, Decimal(5), desk.now, reason="deposit")
    assert sum(desk.amounts()) - sum(before) == money_units(Decimal(5))

"""Orders that wait for money which others of their sub-account bring: when they leave, in which
order, what they hold meanwhile, and what they are told when nothing comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from accounts.funded_account import BUY, SELL, A, B, Funded
from onetape.accounts.proceeds import WAITING_MAX
from onetape.model.enums import OrderNews, OrderState, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import InsufficientFunds, Killed
from onetape.orders.calls import Purpose

LONG, SHORT, BOTH = PositionSide.LONG, PositionSide.SHORT, PositionSide.BOTH
DENIED, SUBMITTED, FILLED = OrderState.DENIED, OrderState.SUBMITTED, OrderState.FILLED


class Row(NamedTuple):
    """What is held, and how it is closed to pay for something else. size: of BTC."""

    kind: str
    opened: Side = BUY
    leg: PositionSide = BOTH
    reduce_only: bool = False
    bought: Side = BUY
    bought_leg: PositionSide = BOTH


ROWS = {
    "coins": Row("spot"),
    "a long": Row("contracts"),
    "a long, reduced": Row("contracts", reduce_only=True),
    "a short": Row("contracts", SELL),
    "a short, for a short": Row("contracts", SELL, bought=SELL),
    "the long side": Row("contracts", BUY, LONG, bought_leg=LONG),
    "the short side": Row("contracts", SELL, SHORT, bought=SELL, bought_leg=SHORT),
}
SIZE = 0.01  # of BTC: 600, or a margin of 60
WANTED = 0.2  # of ETH: 500, or a margin of 50


def funded(home, row: Row, **options) -> Funded:
    """A robot that holds BTC and hardly any money."""
    account = Funded(home, row.kind, **options)
    if account.is_spot:
        account.fund(USD=10_000, BTC=1, ETH=10)
        account.allocate(A, USD=20)
        account.hold(A, "BTC", SIZE)
    else:
        account.fund(USDT=10_000)
        account.allocate(A, USDT=70)
        account.hold(A, "BTC", SIZE, row.opened, position_side=row.leg)
    assert account.free(A) < 25
    return account


@pytest.fixture(params=ROWS)
def row(request) -> Row:
    return ROWS[request.param]


@pytest.fixture
def account(tmp_path, row) -> Iterator[Funded]:
    with funded(tmp_path, row) as made:
        yield made


def sell(account: Funded, row: Row, size: float = SIZE, **terms):
    terms = {"position_side": row.leg, "reduce_only": row.reduce_only, **terms}
    return account.ask(A, row.opened.opposite, "BTC", size, **terms)


def buy(account: Funded, row: Row, size: float = WANTED, **terms):
    return account.ask(A, row.bought, "ETH", size, position_side=row.bought_leg, **terms)


@pytest.fixture(params=["sale first", "purchase first"])
def both(request, account, row):
    """Of one callback: sale, purchase."""
    if request.param == "sale first":
        return sell(account, row), buy(account, row)
    purchase = buy(account, row)
    return sell(account, row), purchase


def test_the_purchase_leaves_when_the_sale_is_filled(account, both):
    sale, purchase = both
    assert account.placed() == [sale.client_id]
    assert purchase.is_held
    assert purchase.state is SUBMITTED
    account.wait(300)
    account.fill(sale, SIZE)
    assert account.placed() == [sale.client_id, purchase.client_id]
    assert not purchase.is_held
    assert not account.proceeds.waiting
    account.fill(purchase, WANTED)
    assert (sale.state, purchase.state) == (FILLED, FILLED)
    assert OrderNews.DENIED not in [words[1] for words in account.said]


def test_it_holds_no_money_before_and_as_any_other_behind(account, both):
    sale, purchase = both
    without = account.locked(A)
    assert account.money.reserves.of(purchase, account.quote) == 0
    assert account.free(A) >= 0
    account.fill(sale, SIZE)
    assert account.money.reserves.of(purchase, account.quote) > 0
    assert account.locked(A) == pytest.approx(500.2 if account.is_spot else 50.2, abs=3)
    assert account.free(A) >= 0
    assert without <= 61


def test_a_sale_whose_answer_is_late_still_pays(account, both):
    sale, purchase = both
    account.wait(4_900)
    assert purchase.is_held
    account.fill(sale, SIZE)
    assert account.placed()[-1] == purchase.client_id


def test_nobody_waits_for_ever(account, both):
    _, purchase = both
    account.wait(5_000)
    assert purchase.state is DENIED
    news, code, reason = account.news(purchase)
    assert (news, code) == (OrderNews.DENIED, InsufficientFunds.code)
    assert "sub-account a has" in reason
    assert "5.00 s" in reason
    assert purchase.client_id not in account.placed()


def test_a_sale_that_is_rejected_ends_the_wait(account, both):
    sale, purchase = both
    account.wait(60)
    account.ended(sale, OrderNews.REJECTED)
    assert purchase.state is DENIED
    assert account.news(purchase)[1] == InsufficientFunds.code


@pytest.mark.parametrize(("sold", "leaves"), [(0.009, True), (0.002, False)])
def test_a_part_of_a_sale_may_be_enough(account, both, sold, leaves):
    sale, purchase = both
    account.wait(60)
    account.fill(sale, sold)
    assert (purchase.client_id in account.placed()) is leaves
    account.ended(sale)
    assert purchase.state is (SUBMITTED if leaves else DENIED)


def test_a_market_that_fell_meanwhile_may_leave_too_little(tmp_path):
    row = ROWS["coins"]
    with funded(tmp_path, row) as account:
        sale, purchase = sell(account, row), buy(account, row, 0.24)
        assert purchase.is_held
        account.fill(sale, SIZE, ticks=-20_000)  # at 58 000
        assert purchase.state is DENIED


def test_what_rests_in_the_book_brings_nothing_yet(account, row):
    away = 10 * row.opened.sign
    sale = sell(account, row, price_int=account.price("BTC", away))
    assert sale.state is SUBMITTED
    purchase = buy(account, row)
    assert purchase.is_held  # a sale may follow
    account.wait(49)
    assert purchase.is_open
    account.wait(1)
    assert purchase.state is DENIED
    assert "0.05 s" in account.news(purchase)[2]


@pytest.mark.parametrize(
    ("terms", "waits"),
    [
        ({"price_int": -2}, True),
        ({"price_int": -1}, False),
        ({"price_int": -2, "post_only": True}, False),
        ({"price_int": 5, "tif": TimeInForce.IOC}, True),
        ({"price_int": 5, "tif": TimeInForce.FOK}, True),
        ({"trigger_int": -50, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}, False),
    ],
)
def test_what_takes_from_the_market_brings_money(account, row, terms, waits):
    """Prices: ticks on the far side of the market."""
    sign = row.opened.sign
    for name in {"price_int", "trigger_int"} & set(terms):
        terms = {**terms, name: account.price("BTC", terms[name] * sign)}
    sell(account, row, **terms)
    purchase = buy(account, row)
    account.wait(50)
    assert purchase.is_open is waits


def test_the_next_callback_ends_the_batch(account, row):
    purchase = buy(account, row, cause=1)
    account.ask(B, BUY, "ETH", 0.1, cause=2)  # another robot's
    account.ask(A, BUY, "ETH", 9, cause=1)
    assert purchase.is_open
    sell(account, row, 0.002, cause=2)  # too little
    assert purchase.state is DENIED


def test_a_sale_of_the_next_callback_pays_too(account, row):
    purchase = buy(account, row, cause=1)
    sale = sell(account, row, cause=2)
    account.wait(1_000)
    account.fill(sale, SIZE)
    assert account.placed()[-1] == purchase.client_id


def test_what_nothing_could_pay_for_is_denied_at_once(account, row):
    purchase = buy(account, row, 5)
    assert purchase.state is DENIED
    news, code, reason = account.news(purchase)
    assert (news, code) == (OrderNews.DENIED, InsufficientFunds.code)
    assert " s" not in reason.rpartition("free")[2]  # it did not wait


def test_more_of_what_it_holds_is_not_paid_by_closing_that(account, row):
    more = account.ask(A, row.opened, "BTC", 0.008, position_side=row.leg)
    assert more.state is DENIED


def test_what_another_sub_account_sells_pays_for_nothing(account, row):
    buyer = buy(account, row)
    account.allocate(B, **{account.quote: 2_000})
    if account.is_spot:
        account.allocate(B, BTC=0.5)
    else:
        other = account.ask(B, row.opened, "BTC", SIZE, position_side=row.leg)
        account.fill(other, SIZE)
    account.ask(B, row.opened.opposite, "BTC", SIZE, position_side=row.leg)
    account.wait(50)
    assert buyer.state is DENIED


def test_the_oldest_is_served_first(account, row):
    sale = sell(account, row)
    first, second = buy(account, row), buy(account, row)
    account.fill(sale, SIZE)
    assert account.placed() == [sale.client_id, first.client_id]
    assert second.state is DENIED


def test_two_purchases_for_which_there_is_enough(account, row):
    sale = sell(account, row)
    both = [buy(account, row, 0.1), buy(account, row, 0.1)]
    account.fill(sale, SIZE)
    assert account.placed() == [sale.client_id, *(each.client_id for each in both)]
    assert account.free(A) >= 0


def test_an_order_that_is_not_short_does_not_wait(account, row):
    sell(account, row)
    waiting = buy(account, row)
    small = buy(account, row, 0.006 if account.is_spot else 0.02)
    assert not small.is_held
    assert waiting.is_held
    assert account.placed()[-1] == small.client_id


def test_its_robot_may_cancel_it(account, both):
    _, purchase = both
    account.manager.cancel(purchase, account.now)
    account.write()
    assert purchase.state is OrderState.CANCELED
    assert not account.proceeds.waiting
    assert [purpose for purpose, _ in account.sent] == [Purpose.PLACE]


def test_it_cannot_be_amended(account, both):
    _, purchase = both
    account.manager.amend(purchase, account.now, price=0, size=purchase.size // 2)
    account.write()
    assert account.news(purchase)[0] is OrderNews.UPDATE_REJECTED
    assert purchase.is_held


def test_the_kill_switch_reaches_it(account, both):
    sale, purchase = both
    account.gate.halts.killed = "by the operator"
    account.fill(sale, 0.009)  # enough: the gate looks again
    assert account.news(purchase)[:2] == (OrderNews.DENIED, Killed.code)
    assert purchase.client_id not in account.placed()


def test_a_kill_cancels_it(account, both):
    _, purchase = both
    account.gate.halts.killed = "by the operator"
    account.gate.hold_to_stops(account.now)
    account.write()
    assert purchase.state is OrderState.CANCELED


def test_a_sub_account_whose_money_went_back_waits_for_nothing(account, row):
    reset = {"currency": account.quote, "amount": "9000"}
    account.money.command("operator", "reset", reset, "r", account.now)
    account.write()
    assert buy(account, row).state is DENIED


def test_only_so_many_wait(account, row):
    sell(account, row)
    held = [buy(account, row, 0.15) for _ in range(WAITING_MAX)]
    assert all(each.is_held for each in held)
    assert buy(account, row, 0.15).state is DENIED


def test_a_stop_that_waited_is_the_venues_as_any_other(tmp_path):
    row = ROWS["a long"]
    with funded(tmp_path, row) as account:
        sale = sell(account, row)
        stop = buy(
            account, row, trigger_int=account.price("ETH", 50), trigger_by=TriggerBy.LAST, trigger_kind=TriggerKind.STOP
        )
        assert stop.is_held
        account.fill(sale, SIZE)
        assert stop.conditional  # it is asked for among those
        assert account.placed()[-1] == stop.client_id


def test_what_a_contract_turns_over_is_not_free(tmp_path):
    """Closing 0.01 and opening 0.008 the other way gives back the margin of 0.002."""
    row = ROWS["a long"]
    with funded(tmp_path, row) as account:
        account.allocate(A, USDT=60)
        turned = account.ask(A, SELL, "BTC", 0.018)
        assert not turned.is_held
        purchase = buy(account, row, 0.36)
        assert purchase.is_held  # the rest of it may be closed, too
        account.wait(50)
        assert purchase.state is DENIED


def test_what_makes_a_position_larger_brings_nothing(tmp_path):
    row = ROWS["a long"]
    with funded(tmp_path, row) as account:
        account.allocate(A, USDT=10)
        assert account.ask(A, BUY, "BTC", 0.002).is_open  # it holds 12, of 20
        purchase = buy(account, row, 0.05)
        assert purchase.is_held
        account.wait(50)
        assert purchase.state is DENIED


def test_a_purchase_pays_for_what_is_sold_on(tmp_path):
    """Coins that a purchase brings, which itself waits for money."""
    with Funded(tmp_path, "spot") as account:
        account.fund(USD=10_000, BTC=1, ETH=10)
        account.allocate(A, USD=20, ETH=1)
        start = account.ask(A, SELL, "ETH", 1)
        between = account.ask(A, BUY, "BTC", 0.02)
        last = account.ask(A, SELL, "BTC", 0.02)
        assert between.is_held
        assert last.is_held
        account.fill(start, 1)
        assert last.is_held
        account.fill(between, 0.02)
        assert account.placed() == [each.client_id for each in (start, between, last)]


def test_two_that_wait_do_not_wait_for_each_other(tmp_path):
    with Funded(tmp_path, "spot") as account:
        account.fund(USD=10_000, BTC=1, ETH=10)
        account.allocate(A, USD=20, ETH=0.5)
        purchase = account.ask(A, BUY, "BTC", 0.02)
        sale = account.ask(A, SELL, "BTC", 0.02)
        assert (purchase.is_open, sale.is_open) == (True, True)
        account.wait(50)
        assert (purchase.state, sale.state) == (DENIED, DENIED)


def test_without_sub_accounts_the_account_is_judged_likewise(tmp_path):
    with Funded(tmp_path, "spot", subaccounts=False) as account:
        account.fund(USD=20, BTC=SIZE)
        purchase = account.ask(A, BUY, "ETH", WANTED)
        sale = account.ask(A, SELL, "BTC", SIZE)
        assert purchase.is_held
        account.fill(sale, SIZE)
        assert account.placed() == [sale.client_id, purchase.client_id]


def test_what_has_its_money_may_trade_inside(tmp_path):
    row = ROWS["a long"]
    with funded(tmp_path, row, crosses=True) as account:
        account.allocate(B, USDT=100)
        waiting = account.ask(B, SELL, "ETH", WANTED, price_int=account.price("ETH", 1))
        account.manager._accepted(waiting, account.now)
        waiting.pending.clear()
        account.write()
        sale = sell(account, row)
        purchase = buy(account, row)
        assert purchase.is_held
        account.fill(sale, SIZE)
        assert account.sent[-1] == (Purpose.CANCEL, waiting.client_id)
        assert purchase.client_id not in account.placed()
        assert account.money.reserves.of(purchase, account.quote) > 0
        account.ended(waiting)
        assert (purchase.state, waiting.state) == (FILLED, FILLED)


@pytest.mark.parametrize("subaccounts", [True, False])
def test_a_sale_waits_for_the_coins_of_one_that_is_being_canceled(tmp_path, subaccounts):
    with Funded(tmp_path, "spot", subaccounts=subaccounts) as account:
        account.fund(USD=10_000, BTC=SIZE)
        if subaccounts:
            account.allocate(A, USD=20, BTC=SIZE)
        trigger = {"trigger_int": account.price("BTC", -50), "trigger_by": TriggerBy.LAST}
        stop = account.ask(A, SELL, "BTC", SIZE, trigger_kind=TriggerKind.STOP, **trigger)
        assert stop.state is SUBMITTED
        account.manager._accepted(stop, account.now)
        stop.pending.clear()
        account.write()
        assert sell(account, ROWS["coins"]).state is DENIED, "nothing frees them"
        account.manager.cancel(stop, account.now)
        sale = sell(account, ROWS["coins"])
        assert sale.is_held
        account.ended(stop)
        assert account.placed() == [stop.client_id, sale.client_id]

"""What leaves and what is DENIED: one row, one rule."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import structs

from onetape.model.enums import OrderNews, PositionSide, RequestKind, Side, TriggerBy
from onetape.model.errors import (
    AccountMode,
    InsufficientFunds,
    Killed,
    NoGuardian,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
    StaleData,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.backing import spending
from onetape.orders.calls import Purpose
from onetape.orders.managed import NewsOut, Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import AccountModeReport, OrderStatusReport, StreamReport
from orders.gate_desk import NOW, PERP, SPOT, UNIT, Desk
from orders.surroundings import surround


def killed(desk):
    desk.gate.halts.killed = "lunch"


def not_ready(desk):
    desk.gate.ready = False


def deaf(desk):
    desk.gate.is_deaf = True


def silent(desk, seconds: float = 3):
    surround(desk.gate, silent_ns=lambda symbol: int(seconds * SECOND) * (symbol == desk.symbol))


def silent_and_long(desk, seconds: float = 3):
    silent(desk, seconds)
    desk.hold(10)


def cannot_trade(desk):
    desk.manager.mode = AccountModeReport(False, False, False, False)


LONG = PositionSide.LONG
ROWS = {
    "an order like any other": ({}, None, ("buy", 10, 59_000), {}, 0),
    "a rule of the venue": ({}, None, ("buy", 1, 59_000), {}, OrderBelowMinNotional),
    "the kill switch": ({}, killed, ("buy", 10, 59_000), {}, Killed),
    "reconciliation": ({}, not_ready, ("buy", 10, 59_000), {}, VenueUnavailable),
    "an account that is not told": ({}, deaf, ("buy", 10, 59_000), {}, StaleData),
    "a silent market": ({}, silent, ("buy", 10, 59_000), {}, StaleData),
    "a silent market, at any price": ({}, silent, ("buy", 10), {}, StaleData),
    "another market's silence": (
        {}, lambda d: surround(d.gate, silent_ns=lambda s: SECOND * (s == SPOT)),
        ("buy", 10, 59_000), {}, 0),
    "a reduction while the account is not told": (
        {}, lambda d: (deaf(d), d.hold(10)), ("sell", 10, 59_000), {"reduce_only": True}, 0),
    "a reduction on a silent market": (
        {}, silent_and_long, ("sell", 10), {"reduce_only": True}, 0),
    # The venue's band is 5 %: 57,000 at the last price, and once more for each second of silence.
    "a reduction beyond the band": (
        {}, lambda d: d.hold(10), ("sell", 10, 50_000), {"reduce_only": True}, PriceBand),
    "a reduction within the band as it was widened": (
        {}, silent_and_long, ("sell", 10, 50_000), {"reduce_only": True}, 0),
    "a reduction beyond the band as it was widened": (
        {}, silent_and_long, ("sell", 10, 45_000), {"reduce_only": True}, PriceBand),
    "a trigger far away, and a price near it": (
        {"price_band": Decimal("0.01")}, None, ("buy", 10, 66_500), {"trigger": 66_000}, 0),
    "no right to trade": ({}, cannot_trade, ("buy", 10, 59_000), {}, AccountMode),
    "more than an order may have": (
        {"order_max": {PERP: 9}}, None, ("buy", 10, 59_000), {}, OrderInvalid),
    "a price too dear": (
        {"price_band": Decimal("0.01")}, None, ("buy", 10, 60_700), {}, PriceBand),
    "a price too cheap": (
        {"price_band": Decimal("0.01")}, None, ("sell", 10, 59_300), {}, PriceBand),
    "a band while no price is known": (
        {"price_band": Decimal("0.01")},
        lambda d: d.manager.references.clear(),
        ("buy", 10, 59_000),
        {},
        StaleData,
    ),
    "a value while no price is known": (
        {"order_value_max": {"USDT": 10**30}}, lambda d: d.manager.references.clear(), ("buy", 10), {}, StaleData),
    "open value while no price is known": (
        {"open_value_max": {"USDT": 10**30}},
        lambda d: (d.work("buy", 10), d.manager.references.clear()), ("buy", 10, 59_000), {}, StaleData),
    # 0.010 at the market are 600 USDT, whatever a sale would be content with.
    "a sale below the market": (
        {"order_value_max": {"USDT": 599 * UNIT}}, None, ("sell", 10, 58_000), {}, PositionLimit),
    "a sale above the market": (
        {"order_value_max": {"USDT": 605 * UNIT}}, None, ("sell", 10, 61_000), {}, PositionLimit),
    "a purchase below the market": (
        {"order_value_max": {"USDT": 590 * UNIT}}, None, ("buy", 10, 59_000), {}, 0),
    "a sale that works below the market": (
        {"open_value_max": {"USDT": 1199 * UNIT}}, lambda d: d.work("sell", 10, 58_000), ("sell", 10, 60_000), {},
        PositionLimit),
    "another currency's value": ({"order_value_max": {"USD": 1}}, None, ("buy", 10, 59_000), {}, 0),
    "a band stops the dear side only": (
        {"price_band": Decimal("0.01")}, None, ("buy", 10, 58_000), {}, 0),
    "another order's outcome": (
        {}, lambda d: d.lose("sell", 5, 61_000), ("buy", 10, 59_000), {}, OrderOutcomeUnknown),
    "the outcome of a stop that takes off": (
        {}, lambda d: d.lose("sell", 5, trigger=59_000, reduce_only=True), ("buy", 10, 59_000), {}, 0),
    "the outcome of a stop that may open": (
        {}, lambda d: d.lose("sell", 5, trigger=59_000), ("buy", 10, 58_000), {}, OrderOutcomeUnknown),
    "the limit": ({"position_max": {PERP: 9}}, None, ("buy", 10, 59_000), {}, PositionLimit),
    "the limit and what is held": (
        {"position_max": {PERP: 19}}, lambda d: d.hold(10), ("buy", 10), {}, PositionLimit),
    "the limit, the other way": (
        {"position_max": {PERP: 19}}, lambda d: d.hold(10), ("sell", 29), {}, 0),
    "the limit and what works": (
        {"position_max": {PERP: 19}}, lambda d: d.work("buy", 10, 59_000), ("buy", 10, 59_000), {},
        PositionLimit),
    "the limit and what would grow": (
        {"position_max": {PERP: 19}},
        lambda d: d.manager.amend(d.work("buy", 5, 59_000), NOW, price=0, size=10),
        ("buy", 10, 59_000), {}, PositionLimit),
    "what reduces may be filled before what opens": (
        {"position_max": {PERP: 19}},
        lambda d: (d.hold(-10), d.work("buy", 6, 59_000, reduce_only=True)),
        ("buy", 24, 59_000), {}, PositionLimit),
    "own orders": (
        {}, lambda d: d.work("sell", 5, 59_500, robot=2), ("buy", 5, 59_500), {}, SelfTrade),
    "own orders and the market": (
        {}, lambda d: d.work("sell", 5, 61_000, robot=2), ("buy", 5), {}, SelfTrade),
    "own orders behind enough of the book": (
        {}, lambda d: (d.work("buy", 5, 59_000, robot=2), d.book(59_001, 10)), ("sell", 10), {}, 0),
    "own orders behind too little of the book": (
        {}, lambda d: (d.work("buy", 5, 59_000, robot=2), d.book(59_001, 9)), ("sell", 10), {},
        SelfTrade),
    "own orders among the best": (
        {}, lambda d: (d.work("buy", 5, 59_000, robot=2), d.book(59_000, 99)), ("sell", 5), {},
        SelfTrade),
    "own orders that may have moved to the best": (
        {},
        lambda d: (
            d.manager.amend(d.work("buy", 5, 58_000), NOW, price=d.price(59_001), size=0),
            d.book(59_001, 99),
        ),
        ("sell", 5), {}, SelfTrade),
    "own orders and two that take": (
        {},
        lambda d: (d.work("buy", 5, 59_000, robot=2), d.book(59_001, 10), d.work("sell", 4)),
        ("sell", 7), {}, SelfTrade),
    "own orders and two that the book has enough for": (
        {},
        lambda d: (d.work("buy", 5, 59_000, robot=2), d.book(59_001, 10), d.work("sell", 3)),
        ("sell", 7), {}, 0),
    "a limit does not ask the book": (
        {}, lambda d: (d.work("buy", 5, 59_000, robot=2), d.book(59_001, 99)),
        ("sell", 5, 59_000), {}, SelfTrade),
    "own orders below": ({}, lambda d: d.work("sell", 5, 59_500), ("buy", 5, 59_400), {}, 0),
    "own orders that may have moved": (
        {},
        lambda d: d.manager.amend(d.work("sell", 5, 61_000), NOW, price=d.price(59_000), size=0),
        ("buy", 5, 59_500), {}, SelfTrade),
    "post-only takes nothing": (
        {}, lambda d: d.work("sell", 5, 59_500), ("buy", 5, 59_500), {"post_only": True}, 0),
    "a stop that waits is not met": (
        {}, lambda d: d.work("sell", 5, trigger=59_000), ("buy", 5, 59_500), {}, 0),
    # What reduces.
    "a reduction passes the kill switch": (
        {}, lambda d: (d.hold(10), killed(d)), ("sell", 10), {"reduce_only": True}, 0),
    "a reduction passes reconciliation": ({}, not_ready, ("sell", 10), {"reduce_only": True}, 0),
    "a reduction passes unknown orders": (
        {}, lambda d: (d.hold(10), d.lose("buy", 5, 58_000, post_only=True)), ("sell", 10, 60_000),
        {"reduce_only": True}, 0),
    "a reduction passes limits and bands": (
        {"position_max": {PERP: 1}, "order_max": {PERP: 1}, "price_band": Decimal("0.01")},
        lambda d: d.hold(10), ("sell", 10, 59_000), {"reduce_only": True}, 0),
    "a reduction of nothing": ({}, None, ("sell", 10), {"reduce_only": True}, ReduceOnlyViolated),
    "a reduction that would turn": (
        {}, lambda d: d.hold(10), ("sell", 11), {"reduce_only": True}, ReduceOnlyViolated),
    "a reduction in the wrong direction": (
        {}, lambda d: d.hold(10), ("buy", 10), {"reduce_only": True}, ReduceOnlyViolated),
    "a reduction beside another": (
        {}, lambda d: (d.hold(10), d.work("sell", 6, 61_000, reduce_only=True)),
        ("sell", 5), {"reduce_only": True}, ReduceOnlyViolated),
    "a reduction beside an unknown one": (
        {}, lambda d: (d.hold(10), d.lose("sell", 6, 61_000, reduce_only=True)),
        ("sell", 5), {"reduce_only": True}, ReduceOnlyViolated),
    "what is left of a reduction": (
        {}, lambda d: (d.hold(10), d.work("sell", 6, 61_000, reduce_only=True)),
        ("sell", 4), {"reduce_only": True}, 0),
    "a target beside a stop": (
        {}, lambda d: (d.hold(10), d.work("sell", 10, trigger=58_000, reduce_only=True)),
        ("sell", 10, 62_000), {"reduce_only": True}, 0),
    "a stop for what is to come": (
        {}, None, ("sell", 10), {"reduce_only": True, "trigger": 58_000}, 0),
    "a trigger by the mark": (
        {}, None, ("sell", 10), {"trigger": 58_000, "by": TriggerBy.MARK}, 0),
    "a trigger by a price that the venue does not watch": (
        {}, None, ("sell", 10), {"trigger": 58_000, "by": TriggerBy.INDEX}, OrderInvalid),
    "a reduction that meets an own order closes nothing": (
        {}, lambda d: (d.hold(10), d.work("buy", 5, 59_000)), ("sell", 10), {"reduce_only": True},
        SelfTrade),
    "hedge: what closes a side": (
        {}, lambda d: (d.hold(10, LONG), killed(d)), ("sell", 10), {"position_side": LONG}, 0),
    "hedge: more than the side": (
        {}, lambda d: d.hold(10, LONG), ("sell", 11), {"position_side": LONG}, ReduceOnlyViolated),
    "hedge: what opens a side": (
        {}, lambda d: (d.hold(10, LONG), killed(d)), ("buy", 10), {"position_side": LONG}, Killed),
    "hedge: each side has the limit": (
        {"position_max": {PERP: 15}}, lambda d: d.hold(10, LONG), ("sell", 10),
        {"position_side": PositionSide.SHORT}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_what_an_account_may_do(name):
    limits, before, words, terms, error = ROWS[name]
    desk = Desk(**limits)
    if before:
        before(desk)
    assert desk.code(*words, **terms) == (error.code if error else 0)


BTC = 10**8  # in units of size
SPOT_ROWS = {
    "what the money buys": (("USD", "600"), ("buy", BTC // 101, 60_000), 0),
    "the fee counts": (("USD", "600"), ("buy", BTC // 100, 60_000), InsufficientFunds),
    "nothing of it": (None, ("buy", BTC // 100, 60_000), InsufficientFunds),
    "a market order at the market's price": (("USD", "600"), ("buy", BTC // 90), InsufficientFunds),
    "what is there to sell": (("BTC", "1"), ("sell", BTC, 60_000), 0),
    "more than there is": (("BTC", "1"), ("sell", BTC + 1, 60_000), InsufficientFunds),
}


@pytest.mark.parametrize(("by", "error"), [(TriggerBy.LAST, 0), (TriggerBy.INDEX, 0), (TriggerBy.MARK, OrderInvalid)])
def test_a_venue_that_has_no_mark_refuses_triggers_by_it(by, error):
    desk = Desk(SPOT)
    desk.own("BTC", "1")
    spec = desk.spec("sell", BTC // 100, trigger=58_000, by=by)
    found = desk.gate.refusal(spec, NOW)
    assert (found.code if found else 0) == (error.code if error else 0)
    assert found is None or found.reason == "trigger: the venue has no trigger by mark"


@pytest.mark.parametrize("name", SPOT_ROWS)
def test_what_money_buys(name):
    owned, words, error = SPOT_ROWS[name]
    desk = Desk(SPOT)
    if owned:
        desk.own(*owned)
    assert desk.code(*words) == (error.code if error else 0)


def test_working_orders_hold_their_money_back():
    desk = Desk(SPOT)
    desk.own("BTC", "1")
    desk.own("USD", "100000")
    first = desk.work("sell", BTC // 2, 61_000)
    desk.work("sell", BTC // 4, 0, trigger=50_000)
    assert desk.code("sell", BTC // 4, 60_500) == 0
    assert desk.code("sell", BTC // 4 + 1, 60_500) == InsufficientFunds.code
    desk.fill(first, BTC // 2)  # its coins are gone before the venue tells the balance
    assert desk.code("sell", BTC // 4, 60_500) == 0
    assert desk.code("sell", BTC // 4 + 1, 60_500) == InsufficientFunds.code
    desk.own("BTC", "0.5")
    assert desk.code("sell", BTC // 4, 60_500) == 0
    bought = desk.work("buy", BTC, 60_000)
    desk.fill(bought, BTC)  # told by the fill, and by no balance yet
    assert desk.code("sell", BTC + BTC // 4, 60_500) == 0


def beside_contracts(desk: Desk) -> None:
    """The account trades contracts, too, in hedge mode."""
    traits = desk.manager.venue.traits
    desk.manager.venue.traits = traits._replace(positions=True, spot=frozenset({SPOT}))
    desk.manager.hear([AccountModeReport(True, False, True, False)], NOW)


@pytest.mark.parametrize("account", [lambda _: None, beside_contracts])
@pytest.mark.parametrize(("stop", "error"), [(killed, Killed), (deaf, StaleData)])
def test_on_spot_what_was_bought_can_be_sold_whatever_is_on(stop, error, account):
    desk = Desk(SPOT)
    account(desk)
    desk.own("BTC", "5")
    desk.own("USD", "100000")
    desk.fill(desk.work("buy", BTC, 60_000), BTC)
    stop(desk)
    assert desk.code("sell", BTC, 60_000) == 0
    assert desk.code("sell", BTC + 1, 60_000) == error.code  # not what the gateway has bought
    desk.work("sell", BTC // 2, 61_000)
    assert desk.code("sell", BTC // 2 + 1, 60_000) == error.code
    assert desk.code("sell", BTC // 4, 60_000, reduce_only=True) == ReduceOnlyViolated.code


@pytest.mark.parametrize("account", [lambda _: None, beside_contracts])
def test_on_spot_nothing_is_a_reduction_before_the_first_reconciliation(account):
    desk = Desk(SPOT)
    account(desk)
    desk.own("BTC", "5")
    desk.fill(desk.work("buy", BTC, 60_000), BTC)
    not_ready(desk)
    assert desk.code("sell", BTC, 60_000) == VenueUnavailable.code  # a copied journal may lack a sale of it
    desk.gate.reconciled_once = True
    assert desk.code("sell", BTC, 60_000) == 0


def test_reductions_pass_the_rate_and_count():
    desk = Desk(orders_a_second=2)
    desk.hold(10)
    assert desk.code("buy", 5, 59_000) == 0
    assert desk.code("sell", 5, 61_000, reduce_only=True) == 0
    assert desk.code("sell", 5, 61_000, reduce_only=True) == 0
    assert desk.code("buy", 5, 59_000) == OrderRate.code
    later = desk.gate.refusal(desk.spec("buy", 5, 59_000), NOW + 10**9)
    assert later is None


def test_money_is_asked_for_last_so_that_what_lacks_it_has_passed_all_else():
    desk = Desk(SPOT, orders_a_second=2)
    desk.own("USD", 10)
    received = [desk.code("buy", BTC // 100, 60_000) for _ in range(3)]
    assert received == [InsufficientFunds.code, InsufficientFunds.code, OrderRate.code]


def sent_by(desk: Desk, robot: int, count: int, at: float) -> int:
    """How many of `count` orders of a robot that may send 5 a second pass, so many seconds on."""
    spec, now = desk.spec("buy", 5, 59_000), NOW + int(at * 10**9)
    received = [desk.gate.refusal(spec, now, robot=robot, rate=5) for _ in range(count)]
    assert {each.code for each in received if each} <= {OrderRate.code}
    return received.count(None)


def test_a_robot_has_a_rate_of_its_own_and_may_save_ten_seconds_of_it():
    desk = Desk()
    assert sent_by(desk, 1, 80, 0) == 50
    assert sent_by(desk, 2, 30, 0) == 30  # the other one's is untouched
    assert sent_by(desk, 1, 80, 1) == 5
    assert sent_by(desk, 1, 80, 1.1) == 0
    assert sent_by(desk, 1, 80, 1.2) == 1
    assert sent_by(desk, 1, 80, 100) == 50
    refusal = desk.gate.refusal(desk.spec("buy", 5, 59_000), NOW + 100 * 10**9, robot=1, rate=5)
    assert refusal.reason == ("robot's order rate: 50 in 10 s of this robot, at most 50 in 10 s")


def test_what_a_robot_may_not_send_is_not_counted_for_all():
    desk = Desk(orders_a_second=60)
    assert sent_by(desk, 1, 1000, 0) == 50
    assert sent_by(desk, 2, 1000, 0) == 10


def test_a_robots_reductions_pass_its_rate():
    desk = Desk()
    desk.hold(10)
    assert sent_by(desk, 1, 50, 0) == 50
    spec = desk.spec("sell", 5, 61_000, reduce_only=True)
    assert desk.gate.refusal(spec, NOW, robot=1, rate=5) is None


def test_a_symbol_that_nobody_trades():
    desk = Desk()
    spec = OrderSpec(symbol="binance:XX/USDT:USDT", side=Side.BUY, size_int=1, price_int=1)
    assert desk.gate.refusal(spec, NOW).code == UnknownSymbol.code


def test_a_mode_that_was_changed_stops_new_risk_and_no_reduction():
    desk = Desk()
    desk.manager.hear([AccountModeReport(False, False, True, False)], NOW)
    assert desk.code("buy", 5, 59_000) == 0
    desk.manager.hear([StreamReport("settings changed", "x")], NOW)
    request = desk.manager.calls.pop()
    assert request.purpose is Purpose.MODES
    reported = Answer(Outcome.DONE, (AccountModeReport(True, False, True, False),))
    desk.manager.answered(request, reported, NOW)
    assert desk.code("buy", 5, 59_000) == AccountMode.code
    desk.hold(10)
    assert desk.code("sell", 5, 61_000, reduce_only=True) == 0
    desk.manager.hear([AccountModeReport(False, False, True, False)], NOW)
    assert desk.code("buy", 5, 59_000) == 0


def test_a_refusal_for_the_mode_has_it_asked_for():
    desk = Desk()
    request = Request(1, RequestKind.PLACE, 1, desk.spec("buy", 1, 59_000))
    desk.manager.submit("a", request, NOW)
    call = desk.manager.calls.pop()
    desk.manager.answered(call, Answer(Outcome.DEFINITIVE, code=AccountMode.code), NOW)
    assert [c.purpose for c in desk.manager.calls] == [Purpose.MODES]


AMENDMENTS = {
    "smaller, whatever is on": (lambda d: killed(d), {"price": 0, "size": 9}, 0),
    "another price, killed": (lambda d: killed(d), {"price": 58_000, "size": 0}, Killed),
    "another price": (None, {"price": 58_000, "size": 0}, 0),
    "larger than the limit": (None, {"price": 0, "size": 21}, PositionLimit),
    "as large as the limit": (None, {"price": 0, "size": 20}, 0),
    "a rule of the venue": (None, {"price": 5_000, "size": 0}, OrderBelowMinNotional),
    "into an own order": (lambda d: d.work("sell", 5, 59_500, robot=2), {"price": 59_500, "size": 0}, SelfTrade),
    "while another is unknown": (
        lambda d: d.lose("sell", 5, 61_000),
        {"price": 58_000, "size": 0},
        OrderOutcomeUnknown,
    ),
    "not reconciled": (not_ready, {"price": 58_000, "size": 0}, VenueUnavailable),
}


@pytest.mark.parametrize("name", AMENDMENTS)
def test_an_amendment_is_judged_as_the_order_that_it_makes(name):
    before, wanted, error = AMENDMENTS[name]
    desk = Desk(position_max={PERP: 20})
    order = desk.work("buy", 10, 59_000)
    if before:
        before(desk)
    refusal = desk.gate.amendment(order, NOW, price=desk.price(wanted["price"]), size=wanted["size"])
    assert (refusal.code if refusal else 0) == (error.code if error else 0)


def test_an_amendment_counts_what_is_filled_once():
    desk = Desk(position_max={PERP: 20})
    order = desk.work("buy", 10, 59_000)
    desk.fill(order, 4)
    assert desk.gate.amendment(order, NOW, price=0, size=20) is None
    assert desk.gate.amendment(order, NOW, price=0, size=21).code == PositionLimit.code


def test_a_refused_amendment_leaves_the_order_as_it_is():
    desk = Desk()
    order = desk.work("buy", 10, 59_000)
    desk.manager.outs.clear()
    desk.manager.refuse(order, OrderNews.UPDATE_REJECTED, NOW, Killed.code, "lunch")
    (out,) = desk.manager.outs
    assert isinstance(out, NewsOut)
    assert (out.news, out.code, out.state) == (OrderNews.UPDATE_REJECTED, Killed.code, order.state)
    assert (order.price, order.size, desk.manager.calls) == (desk.price(59_000), 10, [])


def test_money_that_others_hold_back_counts():
    desk = Desk(SPOT)
    desk.own("BTC", "1")
    desk.manager.hear(
        [
            OrderStatusReport(
                SPOT,
                "web",
                "7",
                desk.work("buy", 1000, 50_000).state,
                NOW,
                side=Side.SELL,
                size=BTC,
                price=desk.price(70_000),
            )
        ],
        NOW,
    )
    assert desk.code("sell", BTC // 4, 60_000) == InsufficientFunds.code


def test_what_trades_inside_is_no_trade_with_oneself():
    desk = Desk()
    desk.work("sell", 5, 59_000, robot=2)
    spec = desk.spec("buy", 5, 59_500)
    assert desk.gate.refusal(spec, NOW).code == SelfTrade.code
    assert desk.gate.refusal(spec, NOW, is_inside=True) is None


def test_what_was_decided_on_an_old_market_adds_no_risk_and_may_reduce():
    desk = Desk()
    desk.hold(10)
    refusal = desk.gate.refusal(desk.spec("buy", 5, 59_000), NOW, behind_ns=1)
    assert refusal.code == StaleData.code
    reduces = desk.spec("sell", 5, 61_000, reduce_only=True)
    assert desk.gate.refusal(reduces, NOW, behind_ns=1) is None


def test_another_price_is_judged_also_of_less():
    desk = Desk(price_band=Decimal("0.05"))
    order = desk.work("buy", 10, 59_000)
    assert desk.gate.amendment(order, NOW, price=desk.price(66_000), size=9).code == PriceBand.code


def test_an_amendment_counts_against_the_rate():
    desk = Desk(orders_a_second=2)
    order = desk.work("buy", 10, 59_000)
    codes = [desk.gate.amendment(order, NOW, price=desk.price(58_000), size=0) for _ in range(3)]
    assert [code is None for code in codes] == [True, True, False]


def test_of_what_is_left_of_an_order_the_venue_sees_that_alone():
    desk = Desk()
    order = desk.work("buy", 10, 59_000)
    desk.fill(order, 9)
    assert desk.gate.left(order, NOW).code == OrderBelowMinNotional.code


def test_what_is_left_of_an_order_is_not_counted_again():
    desk = Desk(orders_a_second=1)
    order = desk.work("buy", 10, 59_000)
    assert [desk.gate.left(order, NOW) for _ in range(2)] == [None, None]
    assert [desk.code("buy", 10, 59_000) for _ in range(2)] == [0, OrderRate.code]
    assert desk.gate.left(order, NOW) is None


def test_a_purchase_reduces_nothing_on_spot():
    desk = Desk(SPOT)
    desk.own("USD", "100000")
    desk.hold(-10 * BTC)  # by our fills; coins of before are not known here
    surround(desk.gate, is_guarded=True)
    assert desk.code("buy", BTC // 100, 60_000) == NoGuardian.code
    killed(desk)
    assert desk.code("buy", BTC // 100, 60_000) == Killed.code


@pytest.mark.parametrize(
    ("robot", "size", "terms", "goes"),
    [
        (1, 11, {}, True),
        (1, 10, {}, False),  # it takes off what is held
        (1, 11, {"reduce_only": True}, False),
        (0, 11, {}, False),  # other hands
    ],
)
def test_the_kill_switch_cancels_what_could_open_of_robots(robot, size, terms, goes):
    desk = Desk()
    desk.hold(-10)
    order = desk.work("buy", size, 59_000, robot=robot, **terms)
    desk.gate.hold_to_stops(NOW)
    assert desk.manager.calls == []
    killed(desk)
    desk.manager.outs.clear()
    desk.gate.hold_to_stops(NOW)
    assert [call.purpose for call in desk.manager.calls] == [Purpose.CANCEL] * goes
    assert len(desk.manager.outs) == goes  # its intent; of the others nothing is even said
    assert order.cancel_open is goes


def test_a_new_version_of_an_instrument_has_new_rules():
    desk = Desk()
    assert desk.code("buy", 5, Decimal("59000.1")) == 0
    desk.gate.instruments = {PERP: structs.replace(desk.instrument, tick=Decimal(1))}
    assert desk.code("buy", 5, Decimal("59000.1")) == OrderInvalid.code


@pytest.mark.parametrize(("size", "error"), [(9, 0), (10, OrderInvalid)])
def test_the_most_of_one_order_may_be_reached(size, error):
    assert Desk(order_max={PERP: 9}).code("buy", size, 59_000) == (error.code if error else 0)


def test_a_rebate_is_no_money_to_spend():
    desk = Desk(SPOT)
    rebate = structs.replace(desk.instrument, maker_fee=Decimal("-0.001"))
    spec = desk.spec("buy", BTC, 60_000, post_only=True)
    assert spending(rebate, spec, BTC, desk.price(60_000)).amount == 60_000 * UNIT


def test_the_mode_is_that_of_the_configuration_and_not_the_one_that_is_found():
    desk = Desk()
    desk.gate.hedge = True
    desk.manager.hear([AccountModeReport(False, False, can_trade=True, can_withdraw=False)], NOW)
    refusal = desk.gate.refusal(desk.spec("buy", 10, 59_000, position_side=LONG), NOW)
    assert refusal is not None and refusal.code == AccountMode.code
    assert "one-way mode, not in hedge mode" in refusal.reason

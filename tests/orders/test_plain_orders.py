"""New orders of the usual kind are taken in by the core, and what it takes in the list of rules lets through."""

from __future__ import annotations

import gc
import os
import random
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from msgspec import structs

from onetape._core import PlainOrders
from onetape.accounts.reserves import Reserves
from onetape.model.enums import (
    AmendRule,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.ids import EPOCH_BITS, epoch_of
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND, TIME_MAX
from onetape.orders.halts import halt_of
from onetape.orders.order import Order
from onetape.orders.order_frames import request_of
from onetape.orders.pre_trade.rules import refusal_of
from onetape.orders.pre_trade.view import View
from onetape.orders.reports import AccountModeReport
from orders.gate_desk import NOW, PERP, SPOT, UNIT, Desk
from orders.surroundings import surround
from reference.rates import Rates

LONG = bool(os.environ.get("ONETAPE_LONG"))
BASE = epoch_of(NOW) << EPOCH_BITS
ROBOT = 1


# --- what it takes in, the list lets through ------------------------------------------------------


class Entry:
    """A gate whose new orders the core takes in, and the list beside it."""

    def __init__(self, symbol: str = PERP, **limits: Any) -> None:
        self.desk = Desk(symbol, **limits)
        self.tape: list[tuple[Any, ...]] = []
        manager = self.desk.manager
        reserves = Reserves({symbol: self.desk.instrument}, leverage=1.0, references=manager.references)
        self.plain = PlainOrders(
            self.desk.gate, manager.account, reserves, None, cast(Any, object()), set(), self.append, {symbol: 1}
        )
        self.count = 0

    def append(self, *frame: Any) -> int:
        self.tape.append(frame)
        return len(self.tape)

    def follow(self, rate: int = 0) -> None:
        self.plain.follow(ROBOT, 2, rate, "one")

    def place(self, spec: OrderSpec, now: int = NOW, order_id: int = 0, more: bytes = b"") -> Order | None:
        self.count += 1
        self.order_id = order_id or BASE | self.count
        frame = Order(ROBOT, self.order_id, spec).request_frame(RequestKind.PLACE, spec.price_int, spec.size_int, False)
        return self.plain.place(frame + more, spec.symbol, ROBOT, now, now + 1)

    def amend(self, order: Order, price: int, size: int, now: int = NOW, more: bytes = b"") -> Order | None:
        frame = order.request_frame(RequestKind.AMEND, price, size, False)
        return self.plain.amend(frame + more, ROBOT, now, now + 1)

    def cancel(self, order: Order, *, kind: RequestKind = RequestKind.CANCEL, more: bytes = b"") -> Order | None:
        frame = order.request_frame(kind, order.price, order.size, False)
        return self.plain.cancel(frame + more, ROBOT, NOW, NOW + 1)


def test_what_is_taken_in_is_an_order_as_it_was_asked_for() -> None:
    entry = Entry()
    entry.follow()
    spec = entry.desk.spec("buy", 10, 60_000, tif=TimeInForce.IOC, tag="my tag")
    order = entry.place(spec)
    assert order is not None
    assert order.spec == spec and order.key == (ROBOT, entry.order_id) and order.created == NOW
    assert order.client_id.startswith("ToneX") and order.is_open and not order.accepted
    assert entry.desk.manager.orders[order.client_id] is order
    ((_, payload, stream, time, is_risk),) = entry.tape
    assert (stream, time, is_risk) == (1, NOW + 1, True)
    request = request_of(payload, PERP)
    assert (request.robot, request.kind, request.order_id, request.spec) == (
        ROBOT, RequestKind.PLACE, entry.order_id, spec,
    )  # fmt: skip


def test_spot_is_taken_in_as_far_as_the_balance_goes_with_all_that_works() -> None:
    """Half of a hundred coins' worth at 60,000 with a fee of 0.4 %."""
    entry = Entry(SPOT)
    entry.follow()
    half = entry.desk.spec("buy", 50_000_000, 60_000)
    assert entry.place(half) is None  # no balance has been reported
    entry.desk.own("USD", "60239.99")
    assert entry.place(half) is not None
    assert entry.place(half) is None
    entry.desk.own("USD", "60240")
    assert entry.place(half) is not None and entry.place(half) is None
    sale = entry.desk.spec("sell", 50_000_000, 61_000)
    entry.desk.own("BTC", "0.99999999")
    assert entry.place(sale) is not None and entry.place(sale) is None
    entry.desk.fill(entry.desk.manager.by_robot[ROBOT, BASE | 2], 50_000_000)  # the first purchase brings coins
    assert entry.place(sale) is not None and entry.place(sale) is None


def test_spot_that_only_rests_pays_the_maker_s_fee() -> None:
    entry = Entry(SPOT)
    entry.follow()
    maker, taker = entry.desk.instrument.fee_units
    assert maker < taker
    rests = entry.desk.spec("buy", 50_000_000, 60_000, post_only=True)
    cost = 30_000 + Decimal(30_000 * maker) / UNIT
    entry.desk.own("USD", cost - Decimal("0.01"))
    assert entry.place(rests) is None
    entry.desk.own("USD", cost)
    assert entry.place(rests) is not None


def test_a_market_order_of_spot_is_paid_at_the_market() -> None:
    entry = Entry(SPOT)
    entry.follow()
    entry.desk.own("USD", "60239.99")
    market = entry.desk.spec("buy", 50_000_000)
    assert entry.place(market) is not None and entry.place(market) is None
    entry.desk.own("USD", "60240")
    assert entry.place(market) is not None and entry.place(market) is None
    entry.desk.manager.references.clear()
    assert entry.place(market) is None


OTHERS = {
    "a trigger": {"type": OrderType.MARKET, "trigger": 61_000},
    "a reduction": {"reduce_only": True},
    "a closing side": {"position_side": PositionSide.SHORT},
    "the guardian's tag": {"tag": "guardian"},
    "a tag that is no plain text": {"tag": "ü"},
}


@pytest.mark.parametrize("terms", OTHERS.values(), ids=OTHERS)
def test_other_orders_are_for_the_list(terms: dict[str, Any]) -> None:
    entry = Entry()
    entry.follow()
    terms = dict(terms)
    price = 0 if "trigger" in terms else 60_000
    assert entry.place(entry.desk.spec("buy", 10, price, **terms)) is None
    assert entry.tape == [] and len(entry.desk.manager.orders) == 0


def test_what_cannot_be_an_order_of_its_robot_is_for_the_list() -> None:
    entry = Entry()
    usual = entry.desk.spec("buy", 10, 60_000)
    assert entry.place(usual) is None  # of a robot that nobody has named
    entry.follow()
    assert entry.place(usual, order_id=BASE | 1 << 31) is None  # by hand
    assert entry.place(usual, more=b"\x80") is None  # with a request key
    order = entry.place(usual)
    assert order is not None
    assert entry.place(usual, order_id=order.order_id) is None  # it is there


def working(entry: Entry) -> Order:
    """An order that was taken in, sent and accepted."""
    entry.follow()
    order = entry.place(entry.desk.spec("buy", 10, 60_000))
    assert order is not None
    entry.desk.manager.report(order, OrderNews.ACCEPTED, NOW)
    entry.tape.clear()
    return order


def test_a_cancel_of_what_works_is_an_intent_that_nobody_has_to_sync() -> None:
    entry = Entry()
    order = working(entry)
    assert entry.cancel(order) is order
    assert order.state is OrderState.PENDING_CANCEL and order.cancel_open
    ((_, payload, stream, time, is_risk),) = entry.tape
    assert (stream, time, is_risk) == (1, NOW + 1, False)
    request = request_of(payload, PERP)
    assert (request.robot, request.kind, request.order_id) == (ROBOT, RequestKind.CANCEL, entry.order_id)
    assert (request.spec.price_int, request.spec.size_int) == (order.price, order.size)


def test_an_amendment_is_an_intent_of_the_order_as_it_would_be() -> None:
    entry = Entry()
    order = working(entry)
    price = entry.desk.price(59_000)
    assert entry.amend(order, price, 12) is order
    assert order.state is OrderState.PENDING_UPDATE and order.update_open and order.amend_to == (price, 12)
    ((_, payload, stream, time, is_risk),) = entry.tape
    assert (stream, time, is_risk) == (1, NOW + 1, True)
    request = request_of(payload, PERP)
    assert (request.kind, request.spec.price_int, request.spec.size_int) == (RequestKind.AMEND, price, 12)
    assert entry.amend(order, price, 13) is None  # one is under way


def test_an_amendment_says_what_is_to_change_alone() -> None:
    entry = Entry()
    order = working(entry)
    assert entry.amend(order, 0, 12) is order and order.amend_to == (order.price, 12)


def test_what_only_makes_an_order_smaller_passes_whatever_is_wrong_and_counts_for_nothing() -> None:
    entry = Entry(orders_a_second=1)
    order = working(entry)
    entry.desk.gate.halts.killed = "by hand"
    before = entry.desk.gate.rates.sent_this_second(NOW)
    assert entry.amend(order, 0, 10) is None and entry.amend(order, entry.desk.price(59_000), 9) is None
    assert entry.amend(order, 0, 9) is order and entry.desk.gate.rates.sent_this_second(NOW) == before


def fill_some(entry: Entry, order: Order) -> None:
    entry.desk.fill(order, 9)


def change_none(entry: Entry, order: Order) -> None:
    desk = entry.desk
    desk.gate.instruments[PERP] = structs.replace(desk.instrument, amend=AmendRule.NONE)


def cancel_under_way(entry: Entry, order: Order) -> None:
    entry.desk.manager.cancel(order, NOW)


def list_no_more(entry: Entry, order: Order) -> None:
    entry.desk.gate.instruments.clear()


@pytest.mark.parametrize("happens", (fill_some, change_none, cancel_under_way, list_no_more))
def test_other_amendments_are_for_the_list(happens: Callable[[Entry, Order], None]) -> None:
    """Such as one to no more than is filled."""
    entry = Entry()
    order = working(entry)
    happens(entry, order)
    entry.tape.clear()
    assert entry.amend(order, 0, 9) is None and entry.tape == []


def test_an_amendment_is_of_a_limit_order_of_its_robot() -> None:
    entry = Entry()
    order = working(entry)
    assert entry.amend(order, 0, 12, more=b"\x80") is None
    frame = order.request_frame(RequestKind.AMEND, 0, 12, False)
    assert entry.plain.amend(frame, ROBOT + 1, NOW, NOW + 1) is None
    for spec in (entry.desk.spec("buy", 10), entry.desk.spec("sell", 1, 70_000, reduce_only=True)):
        other = entry.desk.work(
            str(spec.side), spec.size_int, 70_000 if spec.price_int else 0, reduce_only=spec.reduce_only
        )
        assert entry.amend(other, 0, 12) is None


def amend(entry: Entry, order: Order) -> None:
    order.sent(RequestKind.AMEND, NOW, NOW + SECOND, 1)


def want(entry: Entry, order: Order) -> None:
    order.cancel_wanted = True


def take_off(entry: Entry, order: Order) -> None:
    order.is_taken_off = True


def end(entry: Entry, order: Order) -> None:
    entry.desk.manager.report(order, OrderNews.CANCELED, NOW)


@pytest.mark.parametrize("happens", (amend, cancel_under_way, want, take_off, end, list_no_more))
def test_other_cancels_are_for_the_manager(happens: Callable[[Entry, Order], None]) -> None:
    entry = Entry()
    order = working(entry)
    happens(entry, order)
    state = order.state
    assert entry.cancel(order) is None
    assert entry.tape == [] and order.state is state


def test_a_cancel_is_of_an_order_of_its_robot_and_of_one_that_was_accepted() -> None:
    entry = Entry()
    entry.follow()
    order = entry.place(entry.desk.spec("buy", 10, 60_000))
    assert order is not None
    assert entry.cancel(order) is None  # it may not be there yet
    entry.desk.manager.report(order, OrderNews.LOST, NOW)
    assert order.is_unknown and entry.cancel(order) is None
    entry.desk.manager.report(order, OrderNews.ACCEPTED, NOW)
    assert entry.cancel(order, kind=RequestKind.AMEND) is None
    assert entry.cancel(order, more=b"\x80") is None
    frame = order.request_frame(RequestKind.CANCEL, order.price, order.size, False)
    assert entry.plain.cancel(frame, ROBOT + 1, NOW, NOW + 1) is None
    entry.plain.follow(ROBOT + 1, 2, 0, "two")
    assert entry.plain.cancel(frame, ROBOT + 1, NOW, NOW + 1) is None
    assert len(entry.tape) == 1  # the intent of its placing
    assert entry.cancel(order) is order


def test_an_account_that_nobody_refers_to_is_collected() -> None:
    entry = Entry()
    entry.desk.manager.plain = entry.plain
    gone = weakref.ref(entry.desk.gate.manager)
    del entry
    gc.collect()
    assert gone() is None


def randomly(rng: random.Random, chance: float, value: Any, other: Any = 0) -> Any:
    return value if rng.random() < chance else other


def limits_of(rng: random.Random, symbol: str) -> dict[str, Any]:
    thousandth, settle = (1, "USDT") if symbol == PERP else (10**5, "USD")
    return {
        "position_max": randomly(rng, 0.3, {symbol: rng.choice((15, 40, 90)) * thousandth}, {}),
        "order_max": randomly(rng, 0.3, {symbol: rng.choice((9, 10, 30)) * thousandth}, {}),
        "price_band": randomly(rng, 0.3, Decimal(rng.choice(("0", "0.0001", "0.01", "0.05", "20"))), Decimal(0)),
        "orders_a_second": randomly(rng, 0.3, rng.choice((1, 3, 50))),
        "messages_a_second": randomly(rng, 0.3, rng.choice((1, 3, 50))),
        "order_value_max": randomly(rng, 0.3, {settle: rng.choice((500, 590, 600, 601, 5000)) * UNIT}, {}),
        "open_value_max": randomly(rng, 0.1, {settle: 900 * UNIT}, {}),
        "open_orders_max": randomly(rng, 0.2, rng.choice((1, 3, 9))),
        "symbols": randomly(rng, 0.1, frozenset({"x:A/B"}), frozenset()),
    }


def set_about(rng: random.Random, desk: Desk) -> None:
    """Something holds up new orders now and then."""
    gate, seldom, thousandth = desk.gate, 0.02, 10 ** (desk.instrument.size_decimals - 3)
    if desk.symbol == SPOT:
        desk.own("USD", rng.choice((0, 600, "602.4", 1300, 10**6)))
        desk.own("BTC", rng.choice((0, "0.01", "0.02", 3)))
    gate.ready = rng.random() > seldom
    gate.disk_full, gate.is_deaf = rng.random() < seldom, rng.random() < seldom
    gate.halts.killed = randomly(rng, seldom, "by hand", "")
    gate.halts.protect(desk.symbol, randomly(rng, seldom, NOW))
    gate.halts.lease_until = NOW + rng.choice((-1, 0, 1)) * SECOND
    gate.halts.open_until = randomly(rng, seldom, NOW, TIME_MAX)
    if rng.random() < seldom:
        gate.halts.begin(halt_of({}, actor="guardian", account="main", time=NOW))
    silent = randomly(rng, seldom, SECOND)
    surround(gate, silent_ns=lambda symbol: silent, is_guarded=rng.random() < seldom)
    desk.manager.references[desk.symbol] = randomly(rng, 0.95, desk.price(rng.choice((59_000, 60_000, 60_001))))
    if rng.random() < 0.4 and desk.symbol == PERP:
        hedge = rng.random() < 0.3
        desk.manager.mode = AccountModeReport(hedge, False, rng.random() > seldom, False)
        gate.hedge = randomly(rng, 0.9, hedge, None)
    desk.hold(rng.choice((0, 0, 10, -10, 30, -30)) * thousandth)
    for _ in range(rng.randrange(4)):
        side, price = rng.choice(("buy", "sell")), rng.choice((59_000, 60_000, 61_000))
        desk.work(side, rng.choice((5, 20)) * thousandth, price, robot=rng.choice((0, ROBOT, 2)))
    if rng.random() < seldom:
        desk.lose("buy", 5 * thousandth, 59_000)


def any_spec(rng: random.Random, desk: Desk) -> OrderSpec:
    price = 0 if rng.random() < 0.2 else rng.choice((58_000, 60_000, 60_006, 60_600, 63_000))
    terms: dict[str, Any] = {}
    if price:
        terms["tif"] = rng.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD))
        terms["expire"] = NOW + SECOND if terms["tif"] is TimeInForce.GTD else 0
        terms["post_only"] = rng.random() < 0.2
    if rng.random() < 0.1:
        terms["reduce_only"] = True
    if rng.random() < 0.1:
        terms["position_side"] = rng.choice((PositionSide.LONG, PositionSide.SHORT))
    if rng.random() < 0.05:
        terms |= {"trigger_int": desk.price(61_000), "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    size = rng.choice((1, 2, 10, 10, 10, 10, 31)) * 10 ** (desk.instrument.size_decimals - 3)
    return OrderSpec(
        symbol=desk.symbol,
        side=rng.choice((Side.BUY, Side.SELL)),
        size_int=size,
        type=OrderType.LIMIT if price else OrderType.MARKET,
        price_int=desk.price(price) + randomly(rng, 0.05, 1),
        **terms,
    )


@pytest.mark.parametrize("symbol", (PERP, SPOT))
def test_nothing_is_taken_in_that_the_list_would_refuse(symbol: str) -> None:
    taken = passed = refused = 0
    for seed in range(100_000 if LONG else 1500):
        rng = random.Random(seed)
        limits = limits_of(rng, symbol)
        entry, beside = Entry(symbol, **limits), Entry(symbol, **limits)
        for each in (entry, beside):
            set_about(random.Random(seed), each.desk)
        rate = rng.choice((0, 0, 1, 5))
        entry.follow(rate)
        for at in range(5):
            spec = any_spec(rng, entry.desk)
            view = View(beside.desk.gate, spec, NOW + at)
            view.client_id, view.robot, view.rate = "T1", ROBOT, rate
            before = len(beside.desk.manager.orders)
            refusal = refusal_of(view)
            order = entry.place(spec, NOW + at)
            passed, refused = passed + (refusal is None), refused + (refusal is not None)
            if order is None:
                break  # they are no longer as far as each other
            assert refusal is None, (seed, spec, refusal)
            taken += 1
            assert len(beside.desk.manager.orders) == before
            beside.desk.manager.account.place(Order(ROBOT, entry.order_id, spec, NOW + at, order.client_id))
    # Nearly all that pass are taken in, and enough is refused that it might have been wrong about.
    assert taken > passed * 0.7 and refused > taken


@pytest.mark.parametrize("symbol", (PERP, SPOT))
def test_no_amendment_is_taken_in_that_the_list_would_refuse(symbol: str) -> None:
    taken = passed = refused = 0
    for seed in range(100_000 if LONG else 1500):
        rng = random.Random(seed)
        limits = limits_of(rng, symbol)
        entry, beside = Entry(symbol, **limits), Entry(symbol, **limits)
        thousandth = 10 ** (entry.desk.instrument.size_decimals - 3)
        side, start = rng.choice(("buy", "sell")), rng.choice((59_000, 61_000))
        filled, rests = rng.choice((0, 0, 3)) * thousandth, rng.random() < 0.2
        orders = []
        for each in (entry, beside):
            orders.append(each.desk.work(side, 10 * thousandth, start, robot=ROBOT, post_only=rests))
            if filled:
                each.desk.fill(orders[-1], filled)
            set_about(random.Random(seed), each.desk)
        order, other = orders
        rate = rng.choice((0, 0, 1, 5))
        entry.follow(rate)
        price = entry.desk.price(rng.choice((0, start, 58_000, 60_000, 60_600, 63_000))) + randomly(rng, 0.05, 1)
        size = rng.choice((0, 4, 9, 10, 11, 31)) * thousandth
        refusal = beside.desk.gate.amendment(other, NOW, price=price, size=size, rate=rate)
        before = entry.desk.gate.rates.sent_this_second(NOW)
        made = entry.amend(order, price, size)
        passed, refused = passed + (refusal is None), refused + (refusal is not None)
        if made is None:
            assert entry.desk.gate.rates.sent_this_second(NOW) == before
            continue
        assert refusal is None, (seed, refusal)
        assert order.amend_to == (price or order.price, size or order.size)
        assert entry.desk.gate.rates.sent_this_second(NOW) == beside.desk.gate.rates.sent_this_second(NOW)
        taken += 1
    assert taken > passed * 0.6 and refused > passed / 3


def test_rates_count_as_their_reference_does() -> None:
    for seed in range(2000 if LONG else 100):
        rng, now = random.Random(seed), NOW
        core, model = Entry().desk.gate.rates, Rates()
        for _ in range(60):
            now += rng.choice((0, 1, SECOND // 3, SECOND, 7 * SECOND))
            robot, rate = rng.choice((1, 2)), rng.choice((0, 1, 3, 50))
            match rng.randrange(4):
                case 0:
                    core.message(now)
                    model.message(now)
                case 1:
                    step = rng.choice((-SECOND, SECOND))
                    core.restate(step)
                    model.restate(step)
                case _:
                    core.count(robot, rate, now)
                    model.count(robot, rate, now)
            assert core.sent_this_second(now) == model.sent_this_second(now)
            assert core.messages_this_second(now) == model.messages_this_second(now)
            assert core.ahead_ns(robot, now) == model.ahead_ns(robot, now)
            most = (rate * 10 - 1) * SECOND // rate if rate else 0
            assert core.may_send(robot, rate, now) is (not rate or model.ahead_ns(robot, now) <= most)

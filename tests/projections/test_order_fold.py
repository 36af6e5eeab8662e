"""An order as the frames of its gateway's journal make it, one row a rule. The simulation of gateways compares the same
fold with the orders that the gateway has, after every event (`src/onetape/simulation/state_invariants.py`)."""

from __future__ import annotations

import pytest

from onetape.model.enums import (
    EventType,
    Liquidity,
    OrderNews,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
)
from onetape.orders.order_frames import HELD_FLAG, LOCAL_FLAG, REISSUE_FLAG, REQUEST, FillFrame, news_of, request_of
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.orders import Orders
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

ORDER = (1, 7)  # robot, order id
NEWS = fields("order_event", "order_id", "venue_id", "price", "size", "code", "news", "robot")


def request(orders: Orders, kind: RequestKind, size: int = 10, flags: int = 0) -> None:
    words = (kind.id, Side.BUY.id, OrderType.LIMIT.id, TimeInForce.GTC.id, flags, TriggerBy.NONE.id)
    payload = REQUEST.pack(ORDER[1], 100, size, 0, 0, *words, PositionSide.BOTH.id, ORDER[0], b"")
    orders.request(request_of(payload, "x:A/B"), 1, None)


def step(orders: Orders, word: str) -> None:
    name, _, number = word.partition(" ")
    match name:
        case "place" | "cancel" | "amend":
            request(orders, RequestKind(name), int(number or 10))
        case "hold":
            request(orders, RequestKind.PLACE, flags=HELD_FLAG)
        case "reissue":
            request(orders, RequestKind.AMEND, flags=REISSUE_FLAG)
        case "fill":
            count = sum(order.filled for order in orders.working.values())
            sides = Side.BUY, Liquidity.MAKER, PositionSide.BOTH
            orders.fill(FillFrame(ORDER[1], 0, count + 1, 1, 100, int(number), 0, *sides, ORDER[0], 0), None)
        case "incarnation":
            orders.incarnation()
        case _:
            word = name.removeprefix("local_")
            payload = NEWS.pack(ORDER[1], 5, 100, int(number or 10), 0, OrderNews(word).id, ORDER[0])
            frame = Frame(EventType.ORDER_EVENT.id, LOCAL_FLAG * (word != name), 1, 1, 1, payload)
            orders.news(news_of(frame))


@pytest.mark.parametrize(
    ("words", "state", "size", "filled"),
    [
        ("place", "SUBMITTED", 10, 0),
        ("place, accepted", "ACCEPTED", 10, 0),
        ("place, accepted, fill 4", "PARTIALLY_FILLED", 10, 4),
        ("place, fill 10", "", 0, 0),
        ("place, accepted, cancel", "PENDING_CANCEL", 10, 0),
        ("place, accepted, cancel, fill 4", "PENDING_CANCEL", 10, 4),
        ("place, accepted, cancel, fill 4, cancel_rejected", "PARTIALLY_FILLED", 10, 4),
        ("place, accepted, cancel, canceled", "", 0, 0),
        ("place, accepted, canceled", "", 0, 0),
        ("place, accepted, amend 20", "PENDING_UPDATE", 10, 0),
        ("place, accepted, amend 20, fill 10", "PENDING_UPDATE", 10, 10),
        ("place, accepted, amend 20, fill 12", "PENDING_UPDATE", 20, 12),
        ("place, accepted, amend 20, fill 10, updated 20", "PARTIALLY_FILLED", 20, 10),
        ("place, accepted, amend 20, fill 10, update_rejected", "", 0, 0),
        ("place, accepted, amend 20, local_update_rejected", "PENDING_UPDATE", 10, 0),
        ("place, accepted, amend 20, fill 20", "", 0, 0),
        ("place, accepted, cancel, reissue", "PENDING_UPDATE", 10, 0),
        ("place, accepted, fill 4, cancel, reissue, updated", "PARTIALLY_FILLED", 10, 4),
        ("place, accepted, cancel, reissue, incarnation", "UNKNOWN", 10, 0),
        ("place, accepted, cancel, reissue, canceled", "", 0, 0),
        ("place, incarnation", "UNKNOWN", 10, 0),
        ("place, accepted, amend 20, incarnation", "UNKNOWN", 10, 0),
        ("place, accepted, cancel, incarnation", "UNKNOWN", 10, 0),
        ("place, incarnation, absent", "", 0, 0),
        ("place, accepted, incarnation", "ACCEPTED", 10, 0),
        ("hold, incarnation", "SUBMITTED", 10, 0),
        ("hold, reissue, incarnation", "UNKNOWN", 10, 0),
        ("hold, reissue, cancel, incarnation", "UNKNOWN", 10, 0),
        ("place, lost", "UNKNOWN", 10, 0),
        ("place, lost, fill 3", "PARTIALLY_FILLED", 10, 3),
        ("accepted, fill 3", "", 0, 0),
    ],
)
def test_what_frames_make_of_an_order(words, state, size, filled):
    orders = Orders()
    for word in words.split(", "):
        step(orders, word)
    shown = [(str(order.state), order.size, order.filled) for order in orders.working.values()]
    assert shown == ([(state, size, filled)] if state else [])


def test_an_order_has_the_price_of_its_fills_and_the_reason_of_its_last_refusal():
    orders = Orders()
    for word in ("place", "accepted", "fill 4", "fill 2"):
        step(orders, word)
    orders.reply({"robot": 1, "order": 7, "reason": "too late"})
    payload = NEWS.pack(7, 0, 0, 10, 4401, OrderNews.CANCEL_REJECTED.id, 1)
    orders.news(news_of(Frame(EventType.ORDER_EVENT.id, LOCAL_FLAG, 1, 1, 1, payload)))
    order = orders.working[ORDER]
    assert (order.spent, order.venue_id, order.price) == (600, "5", 100)
    assert (order.code, order.reason) == (4401, "too late")
    step(orders, "fill 1")
    assert (order.code, order.reason, order.spent) == (0, "", 700)


def test_what_was_filled_inside_has_the_number_of_the_other_order():
    orders = Orders()
    step(orders, "place")
    step(orders, "accepted")
    sides = Side.BUY, Liquidity.MAKER, PositionSide.BOTH
    orders.fill(FillFrame(ORDER[1], 77, INTERNAL_TRADES + 1, 1, 100, 4, 0, *sides, ORDER[0], 0), None)
    assert (orders.working[ORDER].filled, orders.working[ORDER].venue_id) == (4, "5")


def test_a_fill_that_is_told_twice_counts_once():
    orders = Orders()
    step(orders, "place")
    sides = Side.BUY, Liquidity.MAKER, PositionSide.BOTH
    for _ in range(2):
        orders.fill(FillFrame(ORDER[1], 0, 3, 1, 100, 4, 0, *sides, ORDER[0], 0), None)
    assert (orders.working[ORDER].filled, orders.working[ORDER].spent) == (4, 400)

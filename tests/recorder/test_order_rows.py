"""What a row of an order says of why it is as it is."""

from __future__ import annotations

import msgspec

from onetape.model import catalogue
from onetape.model.enums import (
    EventType,
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
)
from onetape.model.errors import OrderUnknown
from onetape.recorder.projection import Projection
from onetape.tape.journal import Frame
from worlds.frames import FILL, NEWS, REQUEST

SYMBOL = "binance:BTC/USDT:USDT"
ORDER, PRICE, SIZE = 5, 600_000, 40


class Tape:
    def __init__(self) -> None:
        self.projection, self.sequence = Projection("main", "j"), 0
        self.frame("instrument", catalogue.find(SYMBOL).to_msgpack())
        self.frame("params", msgspec.msgpack.encode({"robot": 1, "name": "mm", "slot": 2}), stream=0)
        terms = RequestKind.PLACE.id, Side.BUY.id, OrderType.LIMIT.id, TimeInForce.GTC.id, 0
        sides = TriggerBy.LAST.id, PositionSide.BOTH.id
        self.frame("order_request", REQUEST.pack(ORDER, PRICE, SIZE, 0, 0, *terms, *sides, 1, b"t"))

    def frame(self, event: str, payload: bytes, stream: int = 1) -> None:
        self.sequence += 1
        self.projection.take(Frame(EventType(event).id, 0, self.sequence, self.sequence, stream, payload))

    def news(self, news: OrderNews, code: int = 0, reason: str = "") -> None:
        if reason:
            self.frame("reply", msgspec.msgpack.encode({"robot": 1, "order": ORDER, "reason": reason}))
        words = news.id, OrderState.ACCEPTED.id, 1, 0
        self.frame("order_event", NEWS.pack(ORDER, 7, 1, PRICE, SIZE, 0, code, *words))

    def fill(self) -> None:
        words = Side.BUY.id, Liquidity.MAKER.id, PositionSide.BOTH.id, 1, 0, 0
        self.frame("fill", FILL.pack(ORDER, 7, 1, 1, PRICE, SIZE, 0, 0, *words))

    def row(self) -> tuple[str, int, str | None]:
        (row,) = self.projection.drain().changed["record_orders"].values()
        return row["state"], row["code"], row["reason"]


def test_a_refused_cancel_is_no_reason_of_an_order_that_works_on_or_is_filled():
    tape, refused = Tape(), (OrderNews.CANCEL_REJECTED, OrderUnknown.code, "busy")
    tape.news(OrderNews.ACCEPTED)
    tape.news(*refused)
    assert tape.row() == ("ACCEPTED", OrderUnknown.code, "busy")
    tape.news(OrderNews.UPDATED)
    assert tape.row() == ("ACCEPTED", 0, None)
    tape.news(*refused)
    tape.fill()
    assert tape.row() == ("FILLED", 0, None)


def test_an_order_whose_fills_alone_are_told_has_the_venue_s_id():
    tape = Tape()
    tape.fill()
    (row,) = tape.projection.drain().changed["record_orders"].values()
    assert (row["state"], row["venue_order_id"]) == ("FILLED", "7")


def test_an_order_that_an_earlier_release_kept_goes_on():
    tape = Tape()
    tape.news(OrderNews.ACCEPTED)
    tape.projection.drain()
    record = msgspec.json.decode(tape.projection.to_record())
    (kept,) = record.pop("open_orders")
    record["orders"] = [[1, ORDER, {"row": kept["row"], "size": SIZE, "traded": 0, "spent": 0}]]
    tape.projection = Projection("main", "j")
    tape.projection.restore(msgspec.json.encode(record))
    tape.fill()
    (row,) = tape.projection.drain().changed["record_orders"].values()
    assert (row["state"], row["filled"], row["average_price"], row["venue_order_id"]) == ("FILLED", 0.04, 60000.0, "7")

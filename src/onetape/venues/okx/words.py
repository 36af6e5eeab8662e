"""OKX v5: tables from its words to ours."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import Kind, OrderNews, OrderState, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import OrderWouldCross
from onetape.model.instrument import Instrument

__all__ = [
    "ALGO_STATES",
    "CASH",
    "FORCED",
    "FUTURES",
    "INTERVALS",
    "ISOLATED",
    "MARGIN",
    "NEWS",
    "POSITION_SIDES",
    "POSITION_WORDS",
    "REJECTS",
    "SIDES",
    "SPOT",
    "STATES",
    "SWAP",
    "TIFS",
    "TIF_WORDS",
    "TRIGGERS",
    "TYPES",
    "type_of",
]

SWAP: Final = "SWAP"
SPOT: Final = "SPOT"
FUTURES: Final = "FUTURES"
TYPES: Final = (SWAP, SPOT, FUTURES)
MARGIN: Final = "cross"
CASH: Final = "cash"
ISOLATED: Final = "isolated"
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
# Of limit orders: how long an order works is part of its type.
TIF_WORDS: Final = {TimeInForce.GTC: "limit", TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}
TIFS: Final = {word: tif for tif, word in TIF_WORDS.items()}
POSITION_WORDS: Final = {PositionSide.BOTH: "net", PositionSide.LONG: "long", PositionSide.SHORT: "short"}
POSITION_SIDES: Final = {word: side for side, word in POSITION_WORDS.items()}
TRIGGERS: Final = {TriggerBy.LAST: "last", TriggerBy.MARK: "mark", TriggerBy.INDEX: "index"}
INTERVALS: Final = {  # minutes of its bars; those of six hours and more begin in UTC only by these names
    **{f"{minutes}m": minutes for minutes in (1, 3, 5, 15, 30)},
    "1H": 60,
    "2H": 120,
    "4H": 240,
    "6Hutc": 360,
    "12Hutc": 720,
    "1Dutc": 1440,
}
STATES: Final = {
    "live": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "mmp_canceled": OrderState.CANCELED,
}
ALGO_STATES: Final = {
    "live": OrderState.ACCEPTED,
    "pause": OrderState.ACCEPTED,
    "effective": OrderState.TRIGGERED,
    "order_placed": OrderState.TRIGGERED,
    "partially_effective": OrderState.TRIGGERED,
    "canceled": OrderState.CANCELED,
    "order_failed": OrderState.REJECTED,
    "partially_failed": OrderState.REJECTED,
}
NEWS: Final = {
    OrderState.ACCEPTED: OrderNews.ACCEPTED,
    OrderState.TRIGGERED: OrderNews.TRIGGERED,
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.REJECTED: OrderNews.REJECTED,
}
# Reasons of an order that was acknowledged and never worked: with our numbers.
REJECTS: Final = {"31": OrderWouldCross.code}
# Categories of the venue's own orders, which have no id of ours.
FORCED: Final = {
    "full_liquidation": "liquidation",
    "partial_liquidation": "liquidation",
    "adl": "adl",
    "delivery": "settlement",
}


def type_of(i: Instrument) -> str:
    """Returns the venue's type of an instrument."""
    return SPOT if i.kind is Kind.SPOT else SWAP if i.perpetual else FUTURES

"""Bybit v5: tables from its words to ours."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import Kind, OrderNews, OrderState, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import OrderInvalid, OrderWouldCross, ReduceOnlyViolated, SelfTrade

__all__ = [
    "CATEGORIES",
    "FORCED",
    "INTERVALS",
    "NEWS",
    "PORTFOLIO",
    "POSITION_INDEX",
    "POSITION_SIDES",
    "REJECTS",
    "SIDES",
    "SIDE_WORDS",
    "STATES",
    "STATE_WORDS",
    "TIFS",
    "TIF_WORDS",
    "TRIGGERS",
]

# The categories of its instruments: a raw symbol names one in each, BTCUSDT in two of them.
CATEGORIES: Final = {Kind.LINEAR: "linear", Kind.SPOT: "spot", Kind.INVERSE: "inverse"}
PORTFOLIO: Final = "PORTFOLIO_MARGIN"  # the margin mode of an account that is not traded here
SIDE_WORDS: Final = {Side.BUY: "Buy", Side.SELL: "Sell"}
SIDES: Final = {word: side for side, word in SIDE_WORDS.items()}
TIF_WORDS: Final = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
TIFS: Final = {word: tif for tif, word in TIF_WORDS.items()} | {"PostOnly": TimeInForce.GTC}
TRIGGERS: Final = {TriggerBy.LAST: "LastPrice", TriggerBy.MARK: "MarkPrice", TriggerBy.INDEX: "IndexPrice"}
POSITION_INDEX: Final = {PositionSide.BOTH: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}
POSITION_SIDES: Final = {index: side for side, index in POSITION_INDEX.items()}
INTERVALS: Final = {  # minutes of its bars
    **{str(minutes): minutes for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": 1440,
}
STATES: Final = {
    "New": OrderState.ACCEPTED,
    "Untriggered": OrderState.ACCEPTED,
    "Triggered": OrderState.TRIGGERED,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "PartiallyFilledCanceled": OrderState.CANCELED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELED,
    "Deactivated": OrderState.CANCELED,
    "Rejected": OrderState.REJECTED,
}
STATE_WORDS: Final = {
    OrderState.ACCEPTED: "New",
    OrderState.TRIGGERED: "New",
    OrderState.PARTIALLY_FILLED: "PartiallyFilled",
    OrderState.FILLED: "Filled",
    OrderState.CANCELED: "Cancelled",
    OrderState.EXPIRED: "Cancelled",
    OrderState.REJECTED: "Rejected",
}
NEWS: Final = {
    OrderState.ACCEPTED: OrderNews.ACCEPTED,
    OrderState.TRIGGERED: OrderNews.TRIGGERED,
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.REJECTED: OrderNews.REJECTED,
}
# Reasons of an order that was acknowledged, and ended by the engine: with our numbers.
REJECTS: Final = {
    "EC_PostOnlyWillTakeLiquidity": OrderWouldCross.code,
    "EC_ReduceOnlyOrder": ReduceOnlyViolated.code,
    "EC_SelfMatch": SelfTrade.code,
    "EC_InvalidSymbolStatus": OrderInvalid.code,
}
# Kinds of executions by which the venue itself closes a position: their orders have no id of ours.
FORCED: Final = {"AdlTrade": "adl", "BustTrade": "liquidation", "Settle": "settlement", "Delivery": "delivery"}

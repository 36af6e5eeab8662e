"""Binance USD-M: tables from its words for states, events, sides and times in force to ours.

Sources: "Trade" endpoints, "Algo Service" and "User Data Streams" of the USD-M documentation, as of 2026-11.
"""

from __future__ import annotations

from typing import Final

from onetape.model.enums import OrderNews, OrderState, PositionSide, Side, TimeInForce

__all__ = [
    "ALGO_STATES",
    "CONDITIONAL_TYPES",
    "NEWS",
    "PASSED_OVER",
    "POSITION_SIDES",
    "SHOWN",
    "SIDES",
    "SIDE_WORDS",
    "STATES",
    "STATE_NEWS",
    "TIFS",
    "TIF_WORDS",
]

SHOWN: Final = 10**10  # the precision of its amounts, 1e-8; in 1e-18

STATES: Final = {
    "NEW": OrderState.ACCEPTED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.CANCELED,
    "NEW_INSURANCE": OrderState.ACCEPTED,
    "NEW_ADL": OrderState.ACCEPTED,
}
ALGO_STATES: Final = {
    "NEW": OrderState.ACCEPTED,
    "TRIGGERING": OrderState.TRIGGERED,
    "TRIGGERED": OrderState.TRIGGERED,
    "FINISHED": OrderState.TRIGGERED,  # its result is reported with the order that it sends
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED,
}
NEWS: Final = {
    "NEW": OrderNews.ACCEPTED,
    "CANCELED": OrderNews.CANCELED,
    "EXPIRED": OrderNews.EXPIRED,
    "AMENDMENT": OrderNews.UPDATED,
}
STATE_NEWS: Final = {
    OrderState.ACCEPTED: OrderNews.ACCEPTED,
    OrderState.TRIGGERED: OrderNews.TRIGGERED,
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.EXPIRED: OrderNews.EXPIRED,
    OrderState.REJECTED: OrderNews.REJECTED,
}
TIFS: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTD": TimeInForce.GTD}
TIF_WORDS: Final = {tif: word for word, tif in TIFS.items()}
SIDE_WORDS: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
SIDES: Final = {word: side for side, word in SIDE_WORDS.items()}
POSITION_SIDES: Final = {side.upper(): side for side in PositionSide}
CONDITIONAL_TYPES: Final = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
PASSED_OVER: Final = frozenset(
    {"TRADE_LITE", "MARGIN_CALL", "STRATEGY_UPDATE", "GRID_UPDATE", "CONDITIONAL_ORDER_TRIGGER_REJECT"}
)

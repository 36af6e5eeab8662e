"""Kraken spot: the meaning of its words for orders."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import OrderNews, OrderState, TimeInForce

__all__ = ["NEWS", "STATES", "TIFS"]

STATES: Final = {
    "pending": OrderState.ACCEPTED,
    "open": OrderState.ACCEPTED,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    # the stream's words
    "pending_new": OrderState.ACCEPTED,
    "new": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
}
NEWS: Final = {
    "new": OrderNews.ACCEPTED,
    "canceled": OrderNews.CANCELED,
    "expired": OrderNews.EXPIRED,
    "amended": OrderNews.UPDATED,
}
TIFS: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTD": TimeInForce.GTD}

"""Numbers of trades as the adapters of venues have them."""

from __future__ import annotations

from typing import Any

from onetape.exchange.account import Trade
from onetape.exchange.bitmex.venue import Bitmex
from onetape.exchange.bitmex.wire import key_id
from onetape.exchange.bybit.venue import Bybit
from onetape.exchange.hyperliquid.venue import Hyperliquid
from onetape.exchange.pacifica.venue import Pacifica
from onetape.venues.numbers import trade_number

__all__ = ["venue_number"]


def venue_number(dialect: Any, trade: Trade) -> int:
    """A trade's number as the venue's adapter has it. dialect: or what a test has put around it."""
    dialect = getattr(dialect, "inner", dialect)
    index, number = trade.order.index, trade.fill.trade_id
    if isinstance(dialect, Bitmex):
        return trade_number(key_id(f"trade/{index}", number))
    if isinstance(dialect, Bybit):
        return trade_number(dialect.data.exec_id(trade))
    return dialect.public.trade_number(index, number) if isinstance(dialect, Pacifica | Hyperliquid) else number

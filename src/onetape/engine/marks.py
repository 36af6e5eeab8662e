"""Number the sides, subscriptions, and changing order states shared by strategies and the core."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import OrderState

__all__ = [
    "BOOK",
    "BUY",
    "CHANGING",
    "CONFLATED",
    "FUNDING",
    "LIQUIDATIONS",
    "MARK",
    "MBO",
    "QUOTES",
    "SELL",
    "SIDES",
    "TRADES",
]

BUY, SELL = 1, 2
# want_* bits of core/engine/instrument_state.hpp
QUOTES, TRADES, BOOK, MARK, FUNDING, LIQUIDATIONS, MBO, CONFLATED = 1, 2, 4, 8, 16, 32, 128, 256
CHANGING: Final = frozenset({OrderState.PENDING_CANCEL, OrderState.PENDING_UPDATE, OrderState.UNKNOWN})
SIDES: Final = ("long", "short")  # of positions in hedge mode

"""A ledger of entries, sub-accounts, balances in shared memory, and the arithmetic of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onetape.accounts.reader import MarginState, PositionState, SingleQuote, StrategyBalanceManager, get_balance

__all__ = ["MarginState", "PositionState", "SingleQuote", "StrategyBalanceManager", "get_balance"]


def __getattr__(name: str) -> Any:
    """Imports on first use, because the ledger's own modules need no shared memory."""
    if name in __all__:
        from onetape.accounts import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Kraken spot: balance changes other than trades that the gateway books.

The ledger lists them by entry: deposits, withdrawals, transfers, rewards, conversions. A trade has two entries; trades
in pairs that the gateway does not follow are balance changes, too. Source: docs.kraken.com, "Get ledgers info", read
2026-11: 50 a page, newest first, `start` in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape.orders.reports import MoveKind, MoveReport
from onetape.venues.numbers import money_of, units_of

__all__ = ["UnfollowedTrades", "kind_of", "moves_of"]

TRADES_KEPT: Final = 10_000
# `rollover`: interest of a margin loan, each four hours. Types that are not listed (trades in other pairs, margin
# profits, conversions, airdrops, settlements) become OTHER.
_KINDS: Final = {
    "deposit": MoveKind.TRANSFER,
    "withdrawal": MoveKind.TRANSFER,
    "transfer": MoveKind.TRANSFER,
    "adjustment": MoveKind.TRANSFER,
    "rollover": MoveKind.INTEREST,
    "staking": MoveKind.INTEREST,
    "dividend": MoveKind.INTEREST,
    "reward": MoveKind.INTEREST,
    "earn": MoveKind.INTEREST,
}


def kind_of(word: str) -> MoveKind:
    """Returns the kind for an entry's type, of the list or of the stream."""
    return _KINDS.get(word, MoveKind.OTHER)


class UnfollowedTrades:
    """Remembers the newest trades in pairs that are not followed, by the venue's id."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, trade: str) -> None:
        self._ids[trade] = None
        if len(self._ids) > TRADES_KEPT:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, trade: object) -> bool:
        return trade in self._ids


def moves_of(
    entries: Mapping[str, Mapping[str, Any]], unfollowed: UnfollowedTrades, currency_of: Callable[[str], str]
) -> list[MoveReport]:
    """Reads an answer's `ledger`, oldest first. Raises LookupError, TypeError, ValueError."""
    found = []
    for name, row in entries.items():
        if row["type"] == "trade" and row["refid"] not in unfollowed:
            continue
        change = money_of(row["amount"]) - money_of(row["fee"])
        time = units_of(row["time"], 9)
        kind = kind_of(row["type"])
        found.append(MoveReport(name, currency_of(row["asset"]), change, time, kind))
    found.reverse()
    return found

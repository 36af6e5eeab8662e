"""Tracks which symbols each gateway has as unprotected, and the updates that it needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from onetape.model.time import SECOND

__all__ = ["UnprotectedSymbols"]

REPEAT: Final = SECOND  # of an unanswered report


@dataclass(slots=True)
class UnprotectedSymbols:
    """The gateways' state by account and symbol, None: unknown; and when each was last sent an update, ns."""

    _is_bare: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    _sent_at: dict[tuple[str, str], int] = field(default_factory=dict)

    def reported(self, account: str, symbol: str, is_bare: bool | None) -> None:
        self._is_bare[account, symbol] = is_bare

    def listed(self, account: str, symbols: Collection[str]) -> None:
        """Sets a gateway's complete list, which may include reports of an incarnation whose journal is gone."""
        before = {symbol for (of, symbol), is_bare in self._is_bare.items() if of == account and is_bare}
        self._is_bare |= {(account, symbol): symbol in symbols for symbol in before.symmetric_difference(symbols)}

    def due(self, account: str, lost: Mapping[str, int], now: int) -> Iterator[tuple[str, int]]:
        """Yields the symbols whose state at the gateway differs, with the time since when each is unprotected, 0: it is
        not. lost: the unprotected symbols, with that time."""
        for symbol in dict.fromkeys((*(symbol for of, symbol in self._is_bare if of == account), *lost)):
            key = account, symbol
            is_right = self._is_bare.get(key, False) is (symbol in lost)
            if not is_right and now >= self._sent_at.get(key, -REPEAT) + REPEAT:
                self._sent_at[key] = now
                yield symbol, lost.get(symbol, 0)

"""Which symbols each gateway has as unprotected, and what of that it has to hear anew. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from onetape.model.time import SECOND

__all__ = ["UnprotectedSymbols"]

REPEAT: Final = SECOND  # what a gateway did not answer


@dataclass(slots=True)
class UnprotectedSymbols:
    """Holds what gateways have by account and symbol, None: nobody knows; and when each was sent word last, ns."""

    _is_bare: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    _sent_at: dict[tuple[str, str], int] = field(default_factory=dict)

    def reported(self, account: str, symbol: str, is_bare: bool | None) -> None:
        self._is_bare[account, symbol] = is_bare

    def listed(self, account: str, symbols: Collection[str]) -> None:
        """Takes in all that a gateway has: a life may have said so whose journal is gone."""
        before = {symbol for (of, symbol), is_bare in self._is_bare.items() if of == account and is_bare}
        self._is_bare |= {(account, symbol): symbol in symbols for symbol in before.symmetric_difference(symbols)}

    def due(self, account: str, lost: Mapping[str, int], now: int) -> Iterator[tuple[str, int]]:
        """Yields the symbols of which its gateway has it otherwise, and since when each is unprotected, 0: it is not.
        lost: since when those are that are so."""
        for symbol in dict.fromkeys((*(symbol for of, symbol in self._is_bare if of == account), *lost)):
            key = account, symbol
            is_right = self._is_bare.get(key, False) is (symbol in lost)
            if not is_right and now >= self._sent_at.get(key, -REPEAT) + REPEAT:
                self._sent_at[key] = now
                yield symbol, lost.get(symbol, 0)

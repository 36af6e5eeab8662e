"""A book kept as text, for venues that send a checksum over how its best levels are written."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any


class TextSide:
    """One side, best first. Levels are found by price; what is kept of one is its text.

    Prices are ordered as doubles: two prices of one book that differ do so within 15 digits.
    `sign` is -1 for bids, so that the best comes first on both sides.
    """

    __slots__ = ("_keys", "_sign", "_texts")

    def __init__(self, *, is_bids: bool) -> None:
        self._sign = -1.0 if is_bids else 1.0
        self._keys: list[float] = []
        self._texts: dict[float, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def clear(self) -> None:
        self._keys.clear()
        self._texts.clear()

    def apply(self, rows: list[Any], text_of: Callable[[str, str], str]) -> None:
        """Levels (price, size, ...); a size of zero takes its level away, where there is one.

        text_of: what of a level goes into the checksum. Raises ValueError for what is no number.
        """
        keys, texts, sign = self._keys, self._texts, self._sign
        for row in rows:
            price, size = row[0], row[1]
            key = float(price) * sign
            if float(size) == 0.0:
                if texts.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
                continue
            if key not in texts:
                if key - key != 0.0:
                    raise ValueError("price is not finite")
                insort(keys, key)
            texts[key] = price, text_of(price, size)

    def beyond(self, depth: int) -> list[str]:
        """Take away what lies beyond the best `depth` levels, and give those prices as written."""
        return [self._texts.pop(self._keys.pop())[0] for _ in range(len(self._keys) - depth)]

    def best(self, count: int) -> list[str]:
        """The texts of the best levels."""
        texts = self._texts
        return [texts[key][1] for key in self._keys[:count]]


__all__ = ["TextSide"]

"""A book kept as text, for venues that send a checksum over how its best levels are written."""

from __future__ import annotations

from bisect import bisect_left, insort
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

    def put(self, price: str, text: str) -> None:
        """Set a level. text: its part of the checksum. Raises ValueError for no price."""
        key = float(price) * self._sign
        if key - key != 0.0:
            raise ValueError("price is not finite")
        if key not in self._texts:
            insort(self._keys, key)
        self._texts[key] = price, text

    def remove(self, price: str) -> bool:
        """Take a level away; False where there is none."""
        key = float(price) * self._sign
        if self._texts.pop(key, None) is None:
            return False
        del self._keys[bisect_left(self._keys, key)]
        return True

    def beyond(self, depth: int) -> list[str]:
        """Take away what lies beyond the best `depth` levels, and give those prices as written."""
        return [self._texts.pop(self._keys.pop())[0] for _ in range(len(self._keys) - depth)]

    def best(self, count: int) -> list[str]:
        """The texts of the best levels."""
        texts = self._texts
        return [texts[key][1] for key in self._keys[:count]]


def is_zero(size: Any) -> bool:
    """A size that takes its level away. Raises ValueError for no number."""
    return float(size) == 0.0


__all__ = ["TextSide", "is_zero"]

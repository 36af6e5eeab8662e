"""Compute the size that has to trade before a price is reached."""

from __future__ import annotations

from collections.abc import Sequence

from onetape.model.enums import Side

__all__ = ["in_front"]


def in_front(side: Side, price: int, *, best: tuple[int, int], levels: Sequence[tuple[int, int]]) -> int:
    """Returns the size, in units, on that side of the book at better prices than `price`. Size at `price` itself is not
    counted, because the order of its queue is unknown.

    best: price and size of the newest quote, (0, 0) if there is none; levels: of a book, the best first, which may be
    older than the quote. Levels better than the quote do not count.
    """
    sign = side.sign
    if not best[0] or (best[0] - price) * sign <= 0:
        return 0
    behind = [size for at, size in levels if (at - price) * sign > 0 and (best[0] - at) * sign > 0]
    return best[1] + sum(behind)

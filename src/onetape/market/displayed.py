"""Look up the size that a book displays at a price."""

from __future__ import annotations

from onetape._core import Book

__all__ = ["displayed"]


def displayed(book: Book, price: int, *, buys: bool) -> int | None:
    """Returns the size displayed at a price on one side, in units; None: the price is beyond the displayed levels."""
    units = book.bid_size_at(price) if buys else book.ask_size_at(price)
    if units:
        return units
    levels = book.bids(book.bid_count) if buys else book.asks(book.ask_count)
    if not levels:
        return 0
    return None if (price < levels[-1][0] if buys else price > levels[-1][0]) else 0

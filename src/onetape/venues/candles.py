"""Requests of past candles without a key, as a folder's `candles.py` describes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from onetape.model.symbol import Symbol

__all__ = ["CandleRow", "Candles", "period_word"]

CandleRow = list[Any]  # opening time (ms), open, high, low, close, volume: numbers as the venue writes them


class Candles(NamedTuple):
    """The requests of pages of candles. minutes: the available periods; limit: rows of a page; pause_s: between two
    pages. target(venue's symbol, minutes, ms of the first bar, rows): returns the address of a page; rows(body, period
    in ms): reads an answer, raises ValueError, LookupError, TypeError and VenueRejected; note: why the venue has less
    than requested; body(as `target`): returns what is posted, None: the request is a GET; name: returns the venue's
    symbol of one that the catalogue does not have."""

    host: str
    minutes: frozenset[int]
    limit: int
    pause_s: float
    target: Callable[[str, int, int, int], str]
    rows: Callable[[Any, int], list[CandleRow]]
    note: str = ""
    body: Callable[[str, int, int, int], bytes] | None = None
    name: Callable[[Symbol], str] = lambda symbol: f"{symbol.base}{symbol.quote}"


def period_word(minutes: int) -> str:
    """Returns a period as venues write it: 1m, 4h, 1d, 1w."""
    size, unit = next((n, u) for n, u in ((10080, "w"), (1440, "d"), (60, "h"), (1, "m")) if minutes % n == 0)
    return f"{minutes // size}{unit}"

"""Candles of Bybit. Source: "Get Kline" of its documentation v5, as of 2026-07."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from onetape.model.errors import OnetapeError, VenueRejected
from onetape.venues.bybit.words import INTERVALS
from onetape.venues.candles import CandleRow, Candles

__all__ = ["BARS_MAX", "CANDLES", "rows_of", "target_of"]

BARS_MAX: Final = 1000
_WORDS: Final = {minutes: word for word, minutes in INTERVALS.items()}


def target_of(category: str, raw: str, minutes: int, since: int, limit: int) -> str:
    end = since + limit * minutes * 60_000 - 1
    span = f"interval={_WORDS[minutes]}&start={since}&end={end}&limit={limit}"
    return f"/v5/market/kline?category={category}&symbol={raw}&{span}"


def rows_of(answer: Any, refused: type[OnetapeError] = VenueRejected) -> list[list[str]]:
    """Returns the rows, oldest first. Raises `refused`."""
    if answer["retCode"]:
        raise refused(f"Bybit says {answer['retMsg']}"[:200])
    rows: list[list[str]] = answer["result"]["list"][::-1]
    return rows


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    return [[int(row[0]), *row[1:6]] for row in rows_of(answer)]


CANDLES: Final = {
    is_contract: Candles("https://api.bybit.com", frozenset(_WORDS), BARS_MAX, 0.1, partial(target_of, category), _rows)
    for is_contract, category in ((True, "linear"), (False, "spot"))
}

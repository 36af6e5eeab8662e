"""Candles of OKX. Source: "Get candlesticks history" of its documentation v5, as of 2026-07."""

from __future__ import annotations

from typing import Any, Final

from onetape.model.errors import OnetapeError, VenueRejected
from onetape.model.symbol import Symbol
from onetape.venues.candles import CandleRow, Candles
from onetape.venues.okx.words import INTERVALS

__all__ = ["BARS_MAX", "CANDLES", "rows_of", "target_of"]

_WORDS: Final = {minutes: word for word, minutes in INTERVALS.items()}
BARS_MAX: Final = 300


def target_of(raw: str, minutes: int, since: int, limit: int) -> str:
    """`before` and `after` are exclusive; the newest rows of the span come first."""
    span = f"bar={_WORDS[minutes]}&before={since - 1}&after={since + limit * minutes * 60_000}&limit={limit}"
    return f"/api/v5/market/history-candles?instId={raw}&{span}"


def _name(symbol: Symbol) -> str:
    return f"{symbol.base}-{symbol.quote}" + ("-SWAP" if symbol.is_perpetual else "")


def rows_of(answer: Any, refused: type[OnetapeError] = VenueRejected) -> list[list[str]]:
    """Returns the rows, oldest first. Raises `refused`."""
    if answer["code"] != "0":
        raise refused(f"OKX says {answer['msg']}"[:200])
    rows: list[list[str]] = answer["data"][::-1]
    return rows


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    return [[int(row[0]), *row[1:6]] for row in rows_of(answer)]


_OKX: Final = Candles("https://openapi.okx.com", frozenset(_WORDS), BARS_MAX, 0.1, target_of, _rows, name=_name)
CANDLES: Final = {True: _OKX, False: _OKX}

"""Candles of OKX. Source: "Get candlesticks history" of its documentation v5, as of 2026-07."""

from __future__ import annotations

from typing import Any, Final

from onetape.model.errors import VenueRejected
from onetape.model.symbol import Symbol
from onetape.venues.candles import CandleRow, Candles
from onetape.venues.okx.words import INTERVALS

__all__ = ["CANDLES"]

_WORDS: Final = {minutes: word for word, minutes in INTERVALS.items()}
_LIMIT: Final = 300


def _target(raw: str, minutes: int, since: int, limit: int) -> str:
    """`before` and `after` are exclusive; the newest rows of the span come first."""
    span = f"bar={_WORDS[minutes]}&before={since - 1}&after={since + limit * minutes * 60_000}&limit={limit}"
    return f"/api/v5/market/history-candles?instId={raw}&{span}"


def _name(symbol: Symbol) -> str:
    return f"{symbol.base}-{symbol.quote}" + ("-SWAP" if symbol.is_perpetual else "")


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    if answer["code"] != "0":
        raise VenueRejected(f"OKX says {answer['msg']}"[:200])
    return [[int(row[0]), *row[1:6]] for row in reversed(answer["data"])]


_OKX: Final = Candles("https://openapi.okx.com", frozenset(_WORDS), _LIMIT, 0.1, _target, _rows, name=_name)
CANDLES: Final = {True: _OKX, False: _OKX}

"""Candles of Hyperliquid. Source: hyperliquid.gitbook.io "Info endpoint, Candle snapshot", as of 2026-10."""

from __future__ import annotations

import json
from typing import Any, Final

from onetape.model.symbol import Symbol
from onetape.venues.candles import CandleRow, Candles
from onetape.venues.hyperliquid.words import INTERVALS

__all__ = ["BARS_MAX", "CANDLES", "request_of"]

BARS_MAX: Final = 500  # of one request, whose weight is 28 of 1200 a minute
_WORDS: Final = {minutes: word for word, minutes in INTERVALS.items()}


def request_of(coin: str, minutes: int, since: int, limit: int) -> dict[str, Any]:
    """Returns the request of `limit` bars, the first at `since` (ms)."""
    end = since + limit * minutes * 60_000 - 1
    terms = {"coin": coin, "interval": _WORDS[minutes], "startTime": since, "endTime": end}
    return {"type": "candleSnapshot", "req": terms}


def _name(symbol: Symbol) -> str:
    return symbol.base


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    return [[int(row["t"]), *(row[name] for name in "ohlcv")] for row in answer]


CANDLES: Final = {
    True: Candles(
        "https://api.hyperliquid.xyz",
        frozenset(_WORDS),
        BARS_MAX,
        60 * 28 / 1200,
        lambda *_: "/info",
        _rows,
        note="Hyperliquid has only the last 5,000 bars of each period",
        body=lambda *terms: json.dumps(request_of(*terms)).encode(),
        name=_name,
    )
}

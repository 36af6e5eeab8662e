"""Candles of Binance. Source: "Kline/Candlestick Data" of its USD-M and Spot documentation, read 2026-11."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onetape.venues.candles import CandleRow, Candles, period_word

__all__ = ["CANDLES"]

_MINUTES: Final = frozenset({1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440})


def _target(path: str) -> Callable[[str, int, int, int], str]:
    return lambda raw, minutes, since, limit: (
        f"{path}?symbol={raw}&interval={period_word(minutes)}&startTime={since}&limit={limit}"
    )


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    return [row[:6] for row in answer]


CANDLES: Final = {
    True: Candles("https://fapi.binance.com", _MINUTES, 1000, 0.25, _target("/fapi/v1/klines"), _rows),
    False: Candles("https://api.binance.com", _MINUTES, 1000, 0.1, _target("/api/v3/klines"), _rows),
}

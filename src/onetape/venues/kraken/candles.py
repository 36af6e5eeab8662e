"""Candles of Kraken. Source: docs.kraken.com "Get OHLC Data" (always the last 720 of a period), read 2026-11."""

from __future__ import annotations

from typing import Any, Final

from onetape.model.errors import VenueRejected
from onetape.venues.candles import CandleRow, Candles

__all__ = ["CANDLES"]


def _target(raw: str, minutes: int, since: int, _limit: int) -> str:
    return f"/0/public/OHLC?pair={raw}&interval={minutes}&since={since // 1000 - 1}"


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    if answer.get("error"):
        raise VenueRejected(f"Kraken says {answer['error'][0]}"[:200])
    (rows,) = (each for name, each in answer["result"].items() if name != "last")
    return [[row[0] * 1000, *row[1:5], row[6]] for row in rows]


CANDLES: Final = {
    False: Candles(
        "https://api.kraken.com",
        frozenset({1, 5, 15, 30, 60, 240, 1440}),
        720,
        1.0,
        _target,
        _rows,
        "kraken gives the last 720 bars of a period and no others",
    )
}

"""Candles of BitMEX. Source: its API Explorer, GET /trade/bucketed (a bin is stamped with its end; 30 requests a minute
without a key), read 2026-11."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from onetape.venues.candles import CandleRow, Candles, period_word

__all__ = ["CANDLES"]


def _target(raw: str, minutes: int, since: int, limit: int) -> str:
    start = datetime.fromtimestamp((since + minutes * 60_000) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return f"/api/v1/trade/bucketed?symbol={raw}&binSize={period_word(minutes)}&count={limit}&startTime={start}"


def _rows(answer: Any, step: int) -> list[CandleRow]:
    names = ("open", "high", "low", "close", "volume")
    ends = (round(datetime.fromisoformat(row["timestamp"]).timestamp() * 1000) for row in answer)
    return [[end - step, *(row[each] for each in names)] for end, row in zip(ends, answer, strict=True)]


CANDLES: Final = {True: Candles("https://www.bitmex.com", frozenset({1, 5, 60, 1440}), 1000, 2.0, _target, _rows)}

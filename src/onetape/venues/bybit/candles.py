"""Candles of Bybit. Source: "Get Kline" of its documentation v5, as of 2026-07."""

from __future__ import annotations

from typing import Any, Final

from onetape.model.errors import VenueRejected
from onetape.venues.bybit.words import INTERVALS
from onetape.venues.candles import CandleRow, Candles

__all__ = ["CANDLES"]

_WORDS: Final = {minutes: word for word, minutes in INTERVALS.items()}


def _target(category: str) -> Any:
    def target(raw: str, minutes: int, since: int, limit: int) -> str:
        end = since + limit * minutes * 60_000 - 1
        span = f"interval={_WORDS[minutes]}&start={since}&end={end}&limit={limit}"
        return f"/v5/market/kline?category={category}&symbol={raw}&{span}"

    return target


def _rows(answer: Any, _step: int) -> list[CandleRow]:
    if answer["retCode"]:
        raise VenueRejected(f"Bybit says {answer['retMsg']}"[:200])
    return [[int(row[0]), *row[1:6]] for row in reversed(answer["result"]["list"])]


CANDLES: Final = {
    is_contract: Candles("https://api.bybit.com", frozenset(_WORDS), 1000, 0.1, _target(category), _rows)
    for is_contract, category in ((True, "linear"), (False, "spot"))
}

"""How venues are asked for candles of the past, without a key.

Sources, read 2026-11: "Kline/Candlestick Data" of Binance's USD-M and Spot documentation,
docs.kraken.com "Get OHLC Data" (the last 720 of a length, whatever is asked for), BitMEX's API
Explorer, GET /trade/bucketed (a bin is stamped with its end; 30 requests a minute without a key).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from onetape.data.download import Client, NotThereError
from onetape.data.instruments import find_instrument
from onetape.model.enums import Kind
from onetape.model.errors import BadInput, UsageError, VenueRejected
from onetape.model.symbol import Symbol
from onetape.model.time import MS, parse_period

__all__ = ["VENUES", "VenueKlines"]

Row = list[Any]  # ms of its opening, open, high, low, close, volume: numbers as the venue writes them


class _Venue(NamedTuple):
    """How a venue's klines are fetched. target: of a page, by the venue's name of the symbol, minutes, ms of the first
    bar, rows. pause_s: between two pages. rows: of an answer, by ms of a period."""

    host: str
    minutes: frozenset[int]
    limit: int
    pause_s: float
    target: Callable[[str, int, int, int], str]
    rows: Callable[[Any, int], list[Row]]
    note: str = ""  # where it has less than was asked for


def _word(minutes: int) -> str:
    size, unit = next((n, u) for n, u in ((10080, "w"), (1440, "d"), (60, "h"), (1, "m")) if minutes % n == 0)
    return f"{minutes // size}{unit}"


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _binance(path: str) -> Callable[[str, int, int, int], str]:
    return lambda raw, minutes, since, limit: (
        f"{path}?symbol={raw}&interval={_word(minutes)}&startTime={since}&limit={limit}"
    )


def _kraken_rows(answer: Any, _: int) -> list[Row]:
    if answer.get("error"):
        raise VenueRejected(f"Kraken says {answer['error'][0]}"[:200])
    (rows,) = (each for name, each in answer["result"].items() if name != "last")
    return [[row[0] * 1000, *row[1:5], row[6]] for row in rows]


def _bitmex_rows(answer: Any, step: int) -> list[Row]:
    names = ("open", "high", "low", "close", "volume")
    ends = (round(datetime.fromisoformat(row["timestamp"]).timestamp() * 1000) for row in answer)
    return [[end - step, *(row[each] for each in names)] for end, row in zip(ends, answer, strict=True)]


_BINANCE: Final = frozenset({1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440})
# By venue, and whether the symbol is of its futures.
VENUES: Final = {
    ("binance", True): _Venue(
        "https://fapi.binance.com", _BINANCE, 1000, 0.25, _binance("/fapi/v1/klines"), lambda a, _: [r[:6] for r in a]
    ),
    ("binance", False): _Venue(
        "https://api.binance.com", _BINANCE, 1000, 0.1, _binance("/api/v3/klines"), lambda a, _: [r[:6] for r in a]
    ),
    ("kraken", False): _Venue(
        "https://api.kraken.com",
        frozenset({1, 5, 15, 30, 60, 240, 1440}),
        720,
        1.0,
        lambda raw, minutes, since, _: f"/0/public/OHLC?pair={raw}&interval={minutes}&since={since // 1000 - 1}",
        _kraken_rows,
        "kraken gives the last 720 bars of a period and no others",
    ),
    ("bitmex", True): _Venue(
        "https://www.bitmex.com",
        frozenset({1, 5, 60, 1440}),
        1000,
        2.0,
        lambda raw, minutes, since, limit: (
            f"/api/v1/trade/bucketed?symbol={raw}&binSize={_word(minutes)}&count={limit}"
            f"&startTime={_iso(since + minutes * 60_000)}"
        ),
        _bitmex_rows,
    ),
}


@dataclass(slots=True)
class VenueKlines:
    """Answers as ccxt's exchanges do: `fetch_ohlcv`. Raises VenueUnavailable and VenueRateLimit where the client's
    patience ends, UsageError for what the venue does not have."""

    client: Client
    symbol: Symbol
    base_url: str | None
    sleep: Callable[[float], None] = time.sleep
    _has_requested: bool = False

    @property
    def id(self) -> str:
        return self.symbol.venue

    @property
    def _venue(self) -> _Venue:
        found = VENUES.get((self.id, self.symbol.kind is not Kind.SPOT))
        if found is None:
            there = ", ".join(sorted({name for name, _ in VENUES}))
            raise UsageError(
                f"no candles of {self.symbol.text} are asked for", location="--symbol", todo=f"use {there}"
            )
        return found

    @property
    def note(self) -> str:
        return self._venue.note

    def page(self, period: str) -> int:
        """Rows of a page at most. Raises UsageError."""
        minutes = parse_period(period) // (60_000 * MS)
        if minutes not in self._venue.minutes:
            there = ", ".join(_word(each) for each in sorted(self._venue.minutes))
            raise UsageError(f"{self.id} has no bars of {period}", location="--period", todo=f"one of {there}")
        return self._venue.limit

    def fetch_ohlcv(self, _: str, period: str, since: int, limit: int) -> Sequence[Row]:
        venue, step = self._venue, parse_period(period) // MS
        if self._has_requested:
            self.sleep(venue.pause_s)
        self._has_requested = True
        listed = find_instrument(self.symbol.text, {}, since * MS)
        raw = listed.raw_symbol if listed is not None else f"{self.symbol.base}{self.symbol.quote}"
        url = (self.base_url or venue.host) + venue.target(raw, step // 60_000, since, limit)
        try:
            return venue.rows(json.loads(self.client.text(url), parse_float=str), step)
        except NotThereError:
            raise VenueRejected("there are no candles of it", location=url) from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadInput(f"answered what are no candles: {type(error).__name__}", location=url) from None

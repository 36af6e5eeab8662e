"""Fetch past candles from a venue itself, page by page, without a key."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onetape.data.download import Client, NotThereError
from onetape.data.instruments import find_instrument
from onetape.model.enums import Kind
from onetape.model.errors import BadInput, UsageError, VenueRejected
from onetape.model.symbol import Symbol
from onetape.model.time import MS, parse_period
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.venues.adapter import adapter_of
from onetape.venues.candles import CandleRow, Candles, period_word

__all__ = ["VenueKlines"]


@dataclass(slots=True)
class VenueKlines:
    """Has `fetch_ohlcv`, like ccxt's exchanges. Raises VenueUnavailable and VenueRateLimit when the client's retries
    are exhausted, UsageError for data that the venue does not have."""

    client: Client
    symbol: Symbol
    base_url: str | None
    sleep: Callable[[float], None] = time.sleep
    _has_requested: bool = False

    @property
    def id(self) -> str:
        return self.symbol.venue

    @property
    def _venue(self) -> Candles:
        found = next((adapter_of(name).candles for name, each in VENUE_KINDS.items() if each.folder == self.id), {})
        if (candles := found.get(self.symbol.kind is not Kind.SPOT)) is None:
            there = ", ".join(each.folder for name, each in VENUE_KINDS.items() if adapter_of(name).candles)
            raise UsageError(
                f"this venue has no candles of {self.symbol.text}", location="--symbol", todo=f"use {there}"
            )
        return candles

    @property
    def note(self) -> str:
        return self._venue.note

    def page(self, period: str) -> int:
        """Returns the largest number of rows in a page. Raises UsageError if the venue has no bars of the period."""
        minutes = parse_period(period) // (60_000 * MS)
        if minutes not in self._venue.minutes:
            there = ", ".join(period_word(each) for each in sorted(self._venue.minutes))
            raise UsageError(f"{self.id} has no bars of {period}", location="--period", todo=f"one of {there}")
        return self._venue.limit

    def fetch_ohlcv(self, _: str, period: str, since: int, limit: int) -> Sequence[CandleRow]:
        venue, step = self._venue, parse_period(period) // MS
        if self._has_requested:
            self.sleep(venue.pause_s)
        self._has_requested = True
        listed = find_instrument(self.symbol.text, {}, since * MS)
        raw = listed.raw_symbol if listed is not None else venue.name(self.symbol)
        terms = raw, step // 60_000, since, limit
        url = (self.base_url or venue.host) + venue.target(*terms)
        body = venue.body(*terms) if venue.body is not None else None
        try:
            return venue.rows(json.loads(self.client.text(url, body), parse_float=str), step)
        except NotThereError:
            raise VenueRejected(f"{self.id} has no candles of {self.symbol.text}", location=url) from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadInput(f"the answer holds no candles: {type(error).__name__}", location=url) from None

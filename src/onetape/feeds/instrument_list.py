"""The first requests to a venue: its clock and its instruments."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp
import msgspec

from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import BudgetError, check_limited
from onetape.feeds.venue_clock import ask_time
from onetape.model.errors import VenueRateLimit, VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.symbol import not_listed
from onetape.model.time import SECOND
from onetape.venues.contract import joined

__all__ = ["learn_venue"]

LIMITED_S: Final = 20.0  # after waiting this long, a process can still become ready in time


async def learn_venue(
    line: VenueLine,
    symbols: Sequence[str],
    *,
    stopping: asyncio.Event | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> list[Instrument]:
    """Sets the line's clock, and returns the instruments. Raises VenueUnavailable, VenueRateLimit, ProxyFailed,
    UnknownSymbol. stopping: wait up to `LIMITED_S` for a venue that rate limits, but only until this event; None: do
    not wait. tell: called with why it waits."""
    until = time.monotonic() + LIMITED_S
    while True:
        try:
            return await _learn(line, symbols)
        except BudgetError as spent:
            wait = max(spent.answer.retry_after / SECOND, 1.0)
            said = spent.answer.text or f"the venue rate limits requests ({spent.answer.venue_code})"
            what = f"{said}: it may be asked again in {wait:.0f} s"
            limit = VenueRateLimit(what, location=line.rest, todo="wait: the request is repeated automatically")
        left = until - time.monotonic()
        if stopping is None or stopping.is_set() or left <= 0:
            raise limit
        tell(f"waits for the venue: {limit}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), min(wait, left))


async def _learn(line: VenueLine, symbols: Sequence[str]) -> list[Instrument]:
    """Raises BudgetError if no request may be sent now, and the errors of `learn_venue`."""
    venue = line.venue
    try:
        try:
            await ask_time(line)
        except ValueError as error:
            raise VenueUnavailable(f"no exchange of this kind answers: {error}", location=line.rest) from None
        answers = [(call, *await line.request(call)) for call in venue.instrument_lists()]
        body = joined([each for *_, each in answers])
        try:
            # Megabytes with some hundred instruments: read in a thread, so that streams do not have to wait.
            instruments = await asyncio.to_thread(venue.instruments_of, body, frozenset(symbols))
        except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
            for call, status, headers, body in answers:
                check_limited(status, venue.protocol.answer(call, status, headers, body, line.clock.now()))
            words = f"its list of instruments makes no sense: HTTP {status}, {type(error).__name__} {error}"
            raise VenueUnavailable(words, location=line.rest) from None
    except BudgetError:
        raise
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if line.egress is not None:
            line.egress.check()
        raise VenueUnavailable(f"the venue does not answer: {type(error).__name__}", location=line.rest) from None
    missing = set(symbols) - {i.symbol for i in instruments}
    if missing:
        raise not_listed(missing, location=line.rest)
    return instruments

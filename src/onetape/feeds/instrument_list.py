"""What a venue is asked before anything else: its clock and its instruments."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
import msgspec

from onetape.feeds.query_line import VenueLine
from onetape.feeds.venue_clock import ask_time
from onetape.model.errors import UnknownSymbol, VenueUnavailable
from onetape.model.instrument import Instrument

__all__ = ["learn_venue"]


async def learn_venue(line: VenueLine, symbols: Sequence[str]) -> list[Instrument]:
    """Sets the line's clock. Raises VenueUnavailable, ProxyFailed, UnknownSymbol."""
    venue = line.venue
    try:
        try:
            await ask_time(line)
        except ValueError as error:
            raise VenueUnavailable(f"no exchange of this kind answers: {error}", location=line.rest) from None
        _, _, body = await line.request(venue.instruments())
        # Megabytes, some hundred instruments: streams that are followed meanwhile do not wait for it.
        instruments = await asyncio.to_thread(venue.instruments_of, body, frozenset(symbols))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if line.egress is not None:
            line.egress.check()
        raise VenueUnavailable(f"the venue does not answer: {type(error).__name__}", location=line.rest) from None
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
        raise VenueUnavailable(
            f"its list of instruments makes no sense: {type(error).__name__} {error}", location=line.rest
        ) from None
    missing = set(symbols) - {i.symbol for i in instruments}
    if missing:
        raise UnknownSymbol(f"{', '.join(sorted(missing))} does not trade there", location=line.rest)
    return instruments

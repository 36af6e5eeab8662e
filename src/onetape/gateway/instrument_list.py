"""What a gateway asks before anything else: the venue's clock and its instruments; and what its
limits are in their units."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import aiohttp
import msgspec

from onetape.gateway.options import GatewayOptions
from onetape.gateway.query_line import VenueLine
from onetape.gateway.venue_clock import ask_time
from onetape.model.errors import UnknownSymbol, VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.orders.gate import Limits

__all__ = ["learn_venue", "limits_of"]


async def learn_venue(line: VenueLine, symbols: Sequence[str]) -> list[Instrument]:
    """Sets the line's clock. Raises VenueUnavailable, UnknownSymbol."""
    venue = line.venue
    try:
        try:
            await ask_time(line)
        except ValueError as error:
            raise VenueUnavailable(f"no exchange of this kind answers: {error}", where=line.rest) from None
        _, _, body = await line.request(venue.instruments())
        instruments = venue.instruments_of(body, frozenset(symbols))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise VenueUnavailable(f"the venue does not answer: {type(error).__name__}", where=line.rest) from None
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
        raise VenueUnavailable(
            f"its list of instruments makes no sense: {type(error).__name__} {error}", where=line.rest
        ) from None
    missing = set(symbols) - {i.symbol for i in instruments}
    if missing:
        raise UnknownSymbol(f"{', '.join(sorted(missing))} does not trade there", where=line.rest)
    return instruments


def limits_of(options: GatewayOptions, instruments: Sequence[Instrument]) -> Limits:
    """Those of the configuration, whose quantities are as a person writes them."""
    known = {i.symbol: i for i in instruments}

    def sized(given: dict[str, float]) -> dict[str, int]:
        return {s: known[s].size_int(qty) for s, qty in given.items() if s in known}

    return Limits(
        position_max=sized(options.position_max),
        order_max=sized(options.order_max),
        price_band=Decimal(str(options.price_band)),
        orders_a_second=options.orders_per_second,
    )

"""Finds the symbols that an account trades but its gateway does not follow: a person's position, or that of a removed
robot. A gateway follows all that its account holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp

from onetape.feeds.query_line import VenueLine
from onetape.model.instrument import Instrument
from onetape.orders.calls import OrderProtocol
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.venues.contract import TradingVenue, joined

__all__ = ["find_others"]

LOOK_S: Final = 0.1
RETRY_S: Final = 5.0


async def find_others(
    protocol: OrderProtocol, line: VenueLine, venue: TradingVenue, say: Callable[[HealthOut], None]
) -> list[Instrument]:
    """Waits until the account trades in symbols that are not followed, and returns their instruments. venue: reads the
    list of instruments, and is a separate object, because the trading one must not know more instruments than its
    gateway. say: reports symbols that cannot be followed."""
    beyond: set[str] = set()
    while True:
        await asyncio.sleep(LOOK_S)
        names = protocol.unlisted - beyond
        if not names:
            continue
        try:
            bodies = [(await line.request(call))[2] for call in venue.instrument_lists()]
            every = await asyncio.to_thread(venue.instruments_of, joined(bodies), frozenset())
        except (aiohttp.ClientError, OSError, *MALFORMED):  # budget used up, unreachable, or in maintenance
            await asyncio.sleep(RETRY_S)
            continue
        found = [i for i in every if i.raw_symbol in names or i.name in names]
        for name in sorted(names - {each for i in found for each in (i.raw_symbol, i.name)}):
            beyond.add(name)
            words = "the account trades it, but it cannot be followed: it is not shown, protected or counted"
            say(HealthOut("other symbol", name, words, "critical"))
        if found:
            return found

"""A gateway's questions to its venue: one request, one answer read by the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from onetape.orders.calls import Call
from onetape.orders.outcome import Answer, Outcome
from onetape.venues.gateways import TradingVenue

__all__ = ["VenueClock", "VenueLine", "clock_offset"]

CALL_TIMEOUT_S: Final = 4.0
LINE_S: Final = 1.0  # how long a request keeps the next one waiting, where they go in order


def clock_offset(told: int, step: int, sent: int, received: int) -> int:
    """How far the venue's clock is ahead of ours, ns: the least that fits what it told.

    told: its time, cut to `step`; it was read somewhere between `sent` and `received` of ours. The
    least, and not the middle: a venue that tells whole seconds would else move our time by half of
    one, another way each time we ask.
    """
    least, most = told - received, told + step - sent
    return min(max(0, least), most)


class VenueClock:
    """The venue's time as we know it, ns UTC."""

    def __init__(self) -> None:
        self.offset = 0  # ns, the venue's clock less ours

    def now(self) -> int:
        return time.time_ns() + self.offset

    def set(self, told: int, step: int, sent: int, received: int) -> None:
        self.offset = clock_offset(told, step, sent, received)


class VenueLine:
    """Requests of one account. `open` first."""

    def __init__(self, venue: TradingVenue, rest: str, clock: VenueClock) -> None:
        self.venue = venue
        self.rest = rest
        self.clock = clock
        self._in_order = asyncio.Lock()  # where requests have to arrive in their order
        self._http: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=16, keepalive_timeout=60.0)
        async with aiohttp.ClientSession(self.rest, timeout=timeout, connector=connector) as http:
            self._http = http
            yield

    async def answer(self, call: Call) -> Answer:
        """What became of a call; that nobody knows, where no answer came."""
        try:
            return await self.ask(call)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Answer(Outcome.AMBIGUOUS, text=type(error).__name__)

    async def ask(self, call: Call) -> Answer:
        """Raises aiohttp.ClientError, OSError and TimeoutError where no answer came."""
        if self.venue.in_order:
            async with self._in_order:
                # One that is lost does not stop the others for long; should it arrive after them,
                # it is refused.
                request = asyncio.ensure_future(self.request(call))
                await asyncio.wait({request}, timeout=LINE_S)
            status, headers, body = await request
        else:
            status, headers, body = await self.request(call)
        return self.venue.protocol.answer(call, status, headers, body, self.clock.now())

    async def request(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        async with self._http.request(
            call.method, call.target, data=call.body or None, headers=dict(call.headers),
            allow_redirects=False,
        ) as reply:  # fmt: skip
            body = await reply.read()
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, body

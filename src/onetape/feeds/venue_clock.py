"""Our estimate of the venue's time, for signing requests. The estimate runs by the machine's monotonic clock from the
last reading, so that a jump of the wall clock affects no signature. The venue's time is requested every few minutes,
when the venue refuses a request for its time, and when the wall clock jumped. Deviations of our clock are reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, Protocol

import aiohttp

from onetape.feeds.request_budget import check_limited
from onetape.model.errors import ClockSkew
from onetape.model.time import clock_offset
from onetape.orders.calls import Call
from onetape.orders.managed import HealthOut
from onetape.venues.contract import TradingVenue

__all__ = ["VenueClock", "ask_time", "keep_clock"]

ASK_EVERY_S: Final = 180.0
QUERY_EVERY_S: Final = 1.0  # minimum interval, even if requests are refused meanwhile
LOOK_EVERY_S: Final = 0.5
JUMP_NS: Final = 100_000_000  # between wall and monotonic clock: above it, the clock was set or the machine slept
SAID_NS: Final = 250_000_000  # a larger correction is reported
CRITICAL_NS: Final = 5_000_000_000


class VenueClock:
    """The venue's clock, ns UTC. wall, steady: the machine's clocks, ns."""

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns) -> None:
        self._wall = wall
        self._steady = steady
        self._base = self._venue = 0  # the venue's time was `_venue` when the monotonic clock was at `_base`
        self._apart = wall() - steady()
        self.doubts = asyncio.Event()
        self.readings = 0  # number of readings of the venue's time

    @property
    def offset(self) -> int:
        """Returns the venue's clock minus our wall clock, ns."""
        return self.now() - self._wall()

    def now(self) -> int:
        """Returns the venue's time; before the first reading our wall clock's."""
        if not self.readings:
            return self._wall()
        return self._venue + self._steady() - self._base

    def distrust(self) -> None:
        """Makes `keep_clock` request the venue's time soon, because this clock may be off."""
        self.doubts.set()

    def set(self, venue_time: int, step: int, sent: int, received: int) -> int:
        """Sets the venue's time from an answer; returns the correction in ns. step: resolution of the venue's clock,
        ns; sent, received: this clock's `now` when the request was sent and the answer came."""
        change = clock_offset(venue_time, step, sent, received)
        now = self.now() + change
        self._base, self._venue = self._steady(), now
        self.readings += 1
        return change

    def jumped(self) -> int:
        """Returns the change of the wall clock since the last call, ns; 0: it was not set."""
        apart = self._wall() - self._steady()
        jump = apart - self._apart
        if abs(jump) < JUMP_NS:
            return 0  # small steps, as of a clock that is being adjusted, add up to one jump
        self._apart = apart
        return jump


class Line(Protocol):
    """A line to one venue, with a clock for the venue's time."""

    clock: VenueClock
    venue: TradingVenue

    async def request(self, call: Call) -> tuple[int, dict[str, str], bytes]: ...


async def keep_clock(line: Line, say: Callable[[HealthOut], None]) -> None:
    """Keeps the clock right until canceled: requests the venue's time when needed, and reports corrections."""
    clock = line.clock
    due = time.monotonic() + ASK_EVERY_S
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(clock.doubts.wait(), LOOK_EVERY_S)
        if jump := clock.jumped():
            state = f"the machine's clock was set by {jump / 1e9:+.3f} s"
            say(HealthOut("clock", "machine", state, "warning"))
        elif not clock.doubts.is_set() and time.monotonic() < due:
            continue
        clock.doubts.clear()
        try:
            change = await ask_time(line)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            change = 0  # no answer: reported elsewhere
        due = time.monotonic() + ASK_EVERY_S
        if abs(change) >= SAID_NS:
            severity = "critical" if abs(change) >= CRITICAL_NS else "warning"
            state = f"{ClockSkew.name}({ClockSkew.code}): off by {change / 1e9:+.3f} s, set right"
            say(HealthOut("clock", "venue", state, severity))
        await asyncio.sleep(QUERY_EVERY_S)


async def ask_time(line: Line) -> int:
    """Sets the line's clock; returns the correction in ns. Raises ValueError for an invalid answer, BudgetError if
    no request may be sent now, aiohttp.ClientError, OSError and TimeoutError if no answer came."""
    call, clock = line.venue.time(), line.clock
    sent = clock.now()
    status, headers, body = await line.request(call)
    received = clock.now()
    answer = line.venue.protocol.answer(call, status, headers, body, sent)
    check_limited(status, answer)
    if not answer.value:
        raise ValueError(f"HTTP {status}")
    return clock.set(int(answer.value), line.venue.clock_step, sent, received)

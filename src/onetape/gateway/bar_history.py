"""Fetches bars from before a robot's start from the venue and puts them on the gateway's tape.

The bars of one subscription are contiguous, and a `reply` after them names the first and last frame. It is written in
any case, with the reason if bars are missing.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from onetape.feeds.hub_table import MarketReader
from onetape.feeds.query_line import VenueLine, body_from
from onetape.model.errors import OnetapeError, VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.time import DAY, TIME_MAX
from onetape.orders.order_frames import HISTORY_MAX, HISTORY_WITHIN_S, OPEN_FLAG
from onetape.tape.journal import JournalWriter, type_id
from onetape.venues.past_market import Past, PastBar, bars_before

__all__ = ["HistoryDesk", "Wanted"]

PERIOD_MAX: Final = 366 * DAY
SIDE_BY_SIDE: Final = 4
_HISTORY: Final = type_id("history")
_REPLY: Final = type_id("reply")
NOTHING: Final = Past([], None, 0)
# All errors of a venue's answer.
_UNTOLD: Final = (
    OnetapeError,
    aiohttp.ClientError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RecursionError,
    struct.error,
    msgspec.MsgspecError,
)


class Wanted(NamedTuple):
    """The bars that one subscription requests: the number of complete ones, and the running one. period: ns."""

    symbol: str
    period: int
    bars: int


class HistoryDesk:
    """Writes bars from before a robot's start to the tape.

    instruments: in the order of their numbers on the tape, from 1.
    written: called after frames.
    hub: the home of a hub, whose bars need no query.
    """

    def __init__(
        self,
        line: VenueLine,
        instruments: Sequence[Instrument],
        writer: JournalWriter,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        written: Callable[[], None],
        hub: Path | None = None,
    ) -> None:
        self._line = line
        self._numbers = {i.symbol: (n, i) for n, i in enumerate(instruments, 1)}
        self._writer = writer
        self._spawn = spawn
        self._written = written
        self._hub = hub
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)
        self.is_paused = False  # the disk has no room for bars

    def ask(self, robot: int, wanted: Sequence[Wanted], now: int) -> dict[str, Any]:
        """Starts the queries. The replies follow the returned frame. now: bars are complete up to this time."""
        if len(wanted) > HISTORY_MAX:
            return {"error": f"history of more than {HISTORY_MAX} subscriptions at a time"}
        if any(not 0 < each.period <= PERIOD_MAX or each.bars < 0 for each in wanted):
            return {"error": "the period or the number of bars is out of range"}
        if not 0 <= now <= TIME_MAX // 2:
            return {"error": "the time is out of range"}
        after = self._writer.published
        for each in wanted:
            self._spawn(self._answer(robot, each, now))
        return {"after": after}

    async def _answer(self, robot: int, wanted: Wanted, now: int) -> None:
        past, why = NOTHING, ""
        frames: list[tuple[bytes, int]] = []
        try:
            async with asyncio.timeout(HISTORY_WITHIN_S), self._places:
                past = await self._query(wanted, now)
            frames, why = _frames(past, wanted.period), past.lacks
        except TimeoutError:
            why = f"the venue did not answer within {HISTORY_WITHIN_S:g} s"
        except _UNTOLD as error:
            past, why = NOTHING, f"{type(error).__name__}: {error}"[:200]
        if self.is_paused:
            past, frames, why = NOTHING, [], "no room for the journal"
        first, received = self._writer.published + 1, time.time_ns()
        for payload, flags in frames:
            stream = self._numbers[wanted.symbol][0]
            self._writer.append_raw(_HISTORY, payload, flags, stream, received)
        record = {
            "robot": robot,
            "symbol": wanted.symbol,
            "period": wanted.period,
            "first": first,
            "last": self._writer.published,
            "bars": len(past.completed),
            "reason": why,
        }
        self._writer.append_raw(_REPLY, msgspec.msgpack.encode(record), 0, 0, received)
        self._written()

    async def _query(self, wanted: Wanted, now: int) -> Past:
        past = self._line.venue.past
        if past is None or wanted.symbol not in self._numbers:
            raise VenueUnavailable("this gateway cannot request past bars from its venue")
        _, instrument = self._numbers[wanted.symbol]

        def kept(period: int) -> list[PastBar]:
            try:
                return MarketReader(self._hub).past_bars(instrument, period) if self._hub is not None else []
            except OnetapeError:  # it has not run, or has another version
                return []

        asking = bars_before(past, instrument, wanted.period, wanted.bars, now, kept)
        try:
            call = next(asking)
            while True:
                call = asking.send(await body_from(self._line, call))
        except StopIteration as end:
            found: Past = end.value
            return found


def _frames(past: Past, period: int) -> list[tuple[bytes, int]]:
    """Encodes bars as payloads and flags. Raises struct.error for values beyond 64 bits."""
    frames = [bar.frame(period) for bar in past.completed]
    if past.running is not None:
        payload, flags = past.running.frame(period, past.last_trade)
        frames.append((payload, flags | OPEN_FLAG))
    return frames

"""A gateway's account stream: the venue's reports about an account, over any number of connections."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp
import picows

from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.query_line import VenueLine
from onetape.model.errors import PermissionDenied, VenueProtocolError
from onetape.net.connection import back_off, connected
from onetape.net.tasks import ended, first_ended, watched
from onetape.orders.malformed import check_reports
from onetape.orders.outcome import Outcome
from onetape.orders.reports import VenueReport
from onetape.venues.contract import AccountStream
from onetape.venues.key_check import refused

__all__ = ["AccountFeed"]

LIVE_WITHIN_S: Final = 10.0  # from the connection until the stream reports


class AccountFeed:
    """Keeps the account's stream connected, over all its connections, and passes its reports on.

    hear: takes the reports.
    came, went: called for a connection that reports, and for its end.
    """

    def __init__(
        self,
        line: VenueLine,
        *,
        hear: Callable[[list[VenueReport]], None],
        came: Callable[[], None],
        went: Callable[[], None],
        watch: DriftWatch,
        rejects: Rejects,
    ) -> None:
        self.is_up = False
        self.has_begun = False  # it has reported once: a later refusal may be temporary
        self._line = line
        self._hear = hear
        self._came = came
        self._went = went
        self._watch = watch
        self._rejects = rejects
        self._ends = asyncio.Event()  # ends the current connection

    def cut(self) -> None:
        """Ends a useless connection, so that a new one is made."""
        self._ends.set()

    async def follow(self) -> None:
        """Follows the stream until cancelled.

        Raises the venue's error if it refuses this account from the first connection: repeated attempts with wrong keys
        can lock out their owner.
        """
        failures = 0
        venue = self._line.venue
        while True:
            if self._line.pace is not None:
                await self._line.pace.turn(is_needed=True)
            began = time.monotonic()
            try:
                answer = await self._line.ask(venue.stream_key(self._line.clock.now()))
                if answer.value:
                    await self._listen(venue.account_streams(answer.value))
                elif answer.outcome is Outcome.DEFINITIVE:
                    if not self.has_begun:
                        raise refused(answer, self._line.rest)
                    sys.stderr.write(f"gateway: the venue refuses: {answer.text}\n")
            except (OSError, aiohttp.ClientError, picows.WSError, VenueProtocolError):
                pass
            if self.is_up:
                self.is_up = False
                self._went()
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            await back_off(failures)

    async def _listen(self, streams: Sequence[AccountStream]) -> None:
        """Listens until a connection ends, or has missed an event; then all end."""

        def look() -> None:
            if not self.is_up and all(stream.is_live for stream in streams):
                self.is_up = self.has_begun = True
                self._came()

        def look_late() -> None:
            if not self.is_up:
                ends.set()

        ends = self._ends = asyncio.Event()
        late = asyncio.get_running_loop().call_later(LIVE_WITHIN_S, look_late)
        keeper = watched(self._keep_key(ends))
        try:
            await first_ended([asyncio.ensure_future(self._connection(each, look, ends)) for each in streams])
        finally:
            late.cancel()
            await ended([keeper])

    async def _connection(self, stream: AccountStream, look: Callable[[], None], ends: asyncio.Event) -> None:
        def read(message: bytes) -> list[VenueReport]:
            reports = stream.reports_of(message)
            check_reports(reports)
            return reports

        def take(message: bytes) -> bool:
            message = self._line.hide.hidden(message)
            self._hear(self._rejects.read("account", read, message))
            self._watch.account(message)
            if stream.broken:
                sys.stderr.write(f"gateway: the account's stream: {stream.broken}\n")
            look()
            return bool(stream.broken)

        egress = self._line.egress
        await connected(stream.url, stream.hello, take, look, ends, stream.ping, due=stream.due, egress=egress)

    async def _keep_key(self, ends: asyncio.Event) -> None:
        """Renews the listen key; the stream of an expired key reports nothing, on any connection."""
        venue = self._line.venue
        while venue.keep_key_s:
            await asyncio.sleep(venue.keep_key_s)
            answer = await self._line.answer(venue.stream_key(self._line.clock.now(), keep=True))
            if answer.code == PermissionDenied.code:
                sys.stderr.write(f"gateway: the key of the account's stream: {answer.text}\n")
                ends.set()

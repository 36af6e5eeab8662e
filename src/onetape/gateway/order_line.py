"""A gateway's order line: one persistent WebSocket, reopened whenever it ends.

A call that the line does not accept (it is down, or the venue has no such request) goes by REST: it was never sent, so
its state is certain. A call that was sent and not answered when the connection ended is reported as unknown and queried
by REST; it is never sent a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import picows

from onetape.feeds.query_line import VenueLine
from onetape.model.errors import ClockSkew
from onetape.model.time import SECOND
from onetape.net.connection import PING_EVERY_S, back_off
from onetape.net.egress import socket_of
from onetape.orders.calls import Call
from onetape.orders.outcome import Answer
from onetape.venues.order_entry import EntrySession

__all__ = ["EntryLine"]

READY_WITHIN_S: Final = 10.0  # from the connection until the venue accepts orders on it
# Binance ends a connection after 24 hours (as of 2026-11): the next one is opened before.
LIFE_S: Final = 23 * 3600.0
# Binance's code for an address. Its code for too many orders (-1015) is about the account, whose orders the gateway
# holds back.
_SHUT_OUT: Final = frozenset({"-1003", "418"})
REFUSED_S: Final = 60.0  # repeated attempts with wrong keys can lock out their owner


class EntryLine:
    """Sends orders over a persistent socket.

    answered: called once for each call that `send` accepted.
    came, went: called for a connection, and its end.
    life_s: age at which the next connection takes over; the old one is closed after its last answer. All calls come
    from one event loop.
    """

    def __init__(
        self,
        line: VenueLine,
        *,
        answered: Callable[[Call, Answer], None],
        came: Callable[[], None] = lambda: None,
        went: Callable[[str], None],
        life_s: float = LIFE_S,
    ) -> None:
        self.sent = 0  # count of requests sent on the line
        self._line = line
        self._answered = answered
        self._came = came
        self._went = went
        self._life_s = life_s
        self._current: _Connection | None = None
        self._retired: list[_Connection] = []
        self._is_open = True
        self._failure: Exception | None = None  # a fault of ours while a message was read

    @property
    def is_up(self) -> bool:
        return self._current is not None and self._current.session.is_ready

    def send(self, call: Call) -> bool:
        """Sends a call; returns whether the line accepted it, and so will pass on its answer."""
        current = self._current
        message = current.session.send(call, self._line.clock.now()) if current is not None else None
        if current is None or message is None:
            return False
        current.send(message)
        self.sent += 1
        return True

    def tick(self) -> None:
        """Gives up overdue answers, keeps connections alive, and closes retired connections that have ended."""
        if self._failure is not None:
            raise self._failure
        now = self._line.clock.now()
        for each in [*self._retired, *([self._current] if self._current else [])]:
            each.speak(now)
            for call, answer in each.session.late(now):
                self._answered(call, answer)
        for each in list(self._retired):
            if not each.session.pending:
                self._retired.remove(each)
                each.close()

    def status(self) -> dict[str, Any]:
        limits = self._current.session.dialect.limits if self._current else {}
        return {
            "up": self.is_up,
            "sent": self.sent,
            "pending": self._current.session.pending if self._current else 0,
            "limits": {name: [used, limit] for name, (used, limit) in sorted(limits.items())},
            "unknown": self._current.session.unknown if self._current else {},
        }

    async def follow(self) -> None:
        """Keeps a connection for orders open, until cancelled."""
        failures = 0
        try:
            while True:
                was_refused = False
                with contextlib.suppress(OSError, aiohttp.ClientError, picows.WSError, TimeoutError):
                    made = await self._connect()
                    if made is None:
                        was_refused = True
                    else:
                        failures = 0
                        if self._current is not None:
                            self._retired.append(self._current)
                        self._current = made
                        self._came()
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(made.ended.wait(), self._life_s)
                            self._current = None
                            self._went(made.session.broken)
                failures += 1
                if was_refused:
                    await asyncio.sleep(REFUSED_S)
                else:
                    await back_off(failures - 1)
        finally:
            self._is_open = False
            for each in [*self._retired, *([self._current] if self._current else [])]:
                each.close()

    async def _connect(self) -> _Connection | None:
        """Opens a connection that accepts orders; None if the venue refuses it."""
        venue, clock = self._line.venue, self._line.clock
        key = ""
        ask = venue.entry_key(clock.now())
        if ask is not None:
            key = (await self._line.ask(ask)).value
            if not key:
                return None
        if self._line.pace is not None:
            await self._line.pace.turn(is_needed=True)
        made = _Connection(EntrySession(venue.entry_dialect(key)), self)
        await picows.ws_connect(
            lambda: made,
            venue.entry_url,
            extra_headers=made.session.dialect.handshake,
            enable_auto_ping=True,
            auto_ping_idle_timeout=10,
            auto_ping_reply_timeout=10,
            enable_auto_pong=True,
            websocket_handshake_timeout=5,
            max_redirects=0,
            socket_factory=socket_of(self._line.egress),
        )
        try:
            await asyncio.wait_for(made.settled.wait(), READY_WITHIN_S)
        except (TimeoutError, asyncio.CancelledError):
            made.close()
            raise
        if made.session.is_ready:
            return made
        made.close()
        sys.stderr.write(f"gateway: orders go by REST: {made.session.broken}\n")
        return None

    def take(self, connection: _Connection, message: bytes) -> None:
        """Handles a message of the venue."""
        session = connection.session
        message = self._line.hide.hidden(message)
        answered = session.take(message, self._line.clock.now())
        if self._line.orders is not None and answered:
            self._line.orders.heard(session.dialect.headers)
        for call, answer in answered:
            if answer.code == ClockSkew.code:
                self._line.clock.distrust()
            if answer.venue_code in _SHUT_OUT and self._line.budget is not None:
                self._line.budget.shut_out(answer.retry_after)
            self._answered(call, answer)
        if session.is_ready or session.broken:
            connection.settled.set()
        if session.broken:
            connection.close()

    def fail(self, error: Exception) -> None:
        """Makes the next `tick` raise, because the connection's library would only close it."""
        self._failure = self._failure or error

    def lost(self, connection: _Connection) -> None:
        """Handles the end of a connection."""
        if self._is_open:
            for call, answer in connection.session.closed():
                self._answered(call, answer)

    def now(self) -> int:
        return self._line.clock.now()


class _Connection(picows.WSListener):
    """One WebSocket, and the session on it."""

    def __init__(self, session: EntrySession, line: EntryLine) -> None:
        self.session = session
        self.settled = asyncio.Event()  # set when it accepts orders, or never will
        self.ended = asyncio.Event()
        self._line = line
        self._transport: picows.WSTransport | None = None
        self._spoke = line.now()

    def speak(self, now: int) -> None:
        """Sends the venue's periodic messages when they are due."""
        ping = self.session.dialect.ping
        if ping and now - self._spoke >= PING_EVERY_S * SECOND:
            self._spoke = now
            self.send(ping)

    def send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(picows.WSMsgType.TEXT, message)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        for message in self.session.opened(self._line.now()):
            self.send(message)
        if self.session.is_ready:
            self.settled.set()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT and not self.session.broken:
            try:
                self._line.take(self, frame.get_payload_as_bytes())
            except Exception as error:  # a venue's message raises no other error
                self._line.fail(error)
                raise
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            self.session.broken = self.session.broken or "the venue closed the connection"
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._line.lost(self)
        self.settled.set()
        self.ended.set()

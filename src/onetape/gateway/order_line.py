"""A gateway's line for orders: one kept-open WebSocket, opened again whenever it ends.

What the line does not take (it is down, or the venue has no such request) goes by REST: it was
never sent, so nothing about it is in doubt. What was sent and not answered when the connection
ended is told as unknown and is asked for by REST; it is never sent a second time.
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

READY_WITHIN_S: Final = 10.0  # from the connection until the venue takes orders on it
# Binance ends a connection after 24 hours (as of 2026-11): the next one is opened before.
LIFE_S: Final = 23 * 3600.0
# Of Binance, said of an address. That orders come too fast (-1015) is said of the account, and the
# gateway holds back that account's.
_SHUT_OUT: Final = frozenset({"-1003", "418"})
REFUSED_S: Final = 60.0  # wrong keys, tried again and again, have their owner locked out


class EntryLine:
    """Sends orders over a socket that stays open.

    answered: called for each call that `send` took, once.
    came, went: called for a connection, and its end.
    life_s: after which the next connection takes over; the old one is closed when its last answer
    is here.
    It is owned by one event loop, like everything of a gateway.
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
        self.sent = 0  # requests that went this way
        self._line = line
        self._answered = answered
        self._came = came
        self._went = went
        self._life_s = life_s
        self._current: _Connection | None = None
        self._retired: list[_Connection] = []
        self._is_open = True
        self._failure: Exception | None = None  # of ours, while a message was read

    @property
    def is_up(self) -> bool:
        return self._current is not None and self._current.session.is_ready

    def send(self, call: Call) -> bool:
        """Sends a call; tells whether the line took it, and so will pass its answer on."""
        current = self._current
        message = current.session.send(call, self._line.clock.now()) if current is not None else None
        if current is None or message is None:
            return False
        current.send(message)
        self.sent += 1
        return True

    def tick(self) -> None:
        """Gives up on answers that do not come, keeps connections open, and closes what was retired and has ended."""
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
        """Opens a connection on which orders may be sent; None if the venue refuses it."""
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
        """Takes in a message of the venue."""
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
        """Lets the next `tick` raise: the library of the connection would but close it."""
        self._failure = self._failure or error

    def lost(self, connection: _Connection) -> None:
        """Takes in that the connection has ended."""
        if self._is_open:
            for call, answer in connection.session.closed():
                self._answered(call, answer)

    def now(self) -> int:
        return self._line.clock.now()


class _Connection(picows.WSListener):
    """Keeps one WebSocket, and the session on it."""

    def __init__(self, session: EntrySession, line: EntryLine) -> None:
        self.session = session
        self.settled = asyncio.Event()  # it takes orders, or never will
        self.ended = asyncio.Event()
        self._line = line
        self._transport: picows.WSTransport | None = None
        self._spoke = line.now()

    def speak(self, now: int) -> None:
        """Sends what the venue wants to hear again and again, when it is time."""
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
            except Exception as error:  # what a venue can say raises nothing
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

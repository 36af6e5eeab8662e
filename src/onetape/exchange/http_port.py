"""The port of a simulated exchange: plain requests are answered at once, all others by aiohttp.

Every connection begins here. While it carries requests in their plain form they are parsed and answered in the
socket's callback, without a task or an object of a web framework. The first other request (usually an upgrade to
WebSocket) passes the connection to aiohttp, with all unread bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from aiohttp.http import HttpProcessingError

from onetape._core import read_http
from onetape.exchange.dialect import Pending, Reply, Request
from onetape.net.http_reader import NotPlain, read_request

__all__ = ["IDLE_S", "REQUEST_S", "NoHttp", "PlainHttp", "response"]

IDLE_S: Final = 75.0  # longest silence of a connection
REQUEST_S: Final = 20.0  # from a request's first byte to its last
SAID_EVERY_S: Final = 10

_STATUS: Final = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
_date: tuple[int, bytes] = (0, b"")


def response(reply: Reply, now_s: int) -> bytes:
    """Returns the bytes of an answer. now_s: UTC, for its `Date`."""
    global _date
    if _date[0] != now_s:  # the date changes once a second
        date = formatdate(now_s, usegmt=True)
        _date = now_s, f"Content-Type: application/json\r\nDate: {date}\r\n".encode()
    head = _STATUS.get(reply.status) or f"HTTP/1.1 {reply.status} \r\n".encode()
    more = ""
    for name, value in reply.headers.items():
        more += f"{name}: {value}\r\n"
    more += f"Content-Length: {len(reply.body)}\r\n\r\n"
    return b"".join((head, _date[1], more.encode("latin-1"), reply.body))


class PlainHttp(asyncio.Protocol):
    """Serves one connection. answer: returns the exchange's answer to a request; clock: s UTC; others: makes the
    protocol that takes over requests of other forms; open_: the set of connections served here."""

    def __init__(
        self,
        answer: Callable[[Request], Reply | Pending],
        clock: Callable[[], int],
        others: Callable[[], asyncio.Protocol],
        open_: set[PlainHttp],
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._others = others
        self._open = open_
        self._buffer = bytearray()
        self._pending: Pending | None = None
        self._is_full = False  # the client does not read its answers
        self._transport: Any = None
        self._peer = ""
        self.used = 0  # s UTC
        self._begun = 0  # s UTC, begin of an incomplete request; 0: none

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self.used = self._clock()
        self._open.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.discard(self)
        self._transport = None
        if self._pending is not None:
            self._pending.then = None

    def data_received(self, data: bytes) -> None:
        if not self._buffer and self._pending is None and not self._is_full:
            # Usually the data is exactly one whole request, which is parsed in place.
            found: Any = read_http(data)
            if found and found[5] == len(data):
                method, path, query, headers, body, _ = found
                now = self.used = self._clock()
                reply = self._answer(Request(method, path, query, body, headers, self._peer))
                if isinstance(reply, Pending):
                    self._wait_for(reply)
                else:
                    self._transport.write(response(reply, now))
                return
        self._buffer += data
        self._work()

    def pause_writing(self) -> None:
        self._is_full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._pending is None:
            self._transport.resume_reading()
            self._work()

    def close(self) -> None:
        """Closes the connection without further answers."""
        if self._transport is not None:
            self._transport.abort()

    def close_idle(self, now_s: int) -> None:
        """Closes a connection that is silent, or whose request never ends."""
        if self._pending is not None:
            return
        if now_s - self.used > IDLE_S or (self._begun and now_s - self._begun > REQUEST_S):
            self.close()

    def _work(self) -> None:
        """Answers complete requests; a delayed answer holds up the later ones."""
        at, out = 0, []
        now = self.used = self._clock()
        begun, self._begun = self._begun, 0
        try:
            while self._pending is None and not self._is_full:
                found = read_request(self._buffer, at)
                if found is None:
                    if at < len(self._buffer):
                        self._begun = now if at else begun or now
                    break
                method, path, query, headers, body, at = found
                reply = self._answer(Request(method, path, query, body, headers, self._peer))
                if isinstance(reply, Pending):
                    self._wait_for(reply)
                else:
                    out.append(response(reply, now))
        except NotPlain:
            del self._buffer[:at]
            if out:
                self._transport.write(b"".join(out))
            self._hand_over()
            return
        del self._buffer[:at]
        if out:
            self._transport.write(b"".join(out))

    def _wait_for(self, pending: Pending) -> None:
        soon = asyncio.get_running_loop().call_soon  # code inside the exchange finishes the answer
        if pending.is_done:
            soon(self._said, pending)
        else:
            pending.then = lambda: _ignore(soon(self._said, pending))
        self._pending = pending
        self._transport.pause_reading()

    def _said(self, pending: Pending) -> None:
        self._pending = None
        if self._transport is None:
            return
        if pending.reply is None:  # the connection is to be cut
            self._transport.abort()
            return
        self._transport.write(response(pending.reply, self._clock()))
        if not self._is_full:
            self._transport.resume_reading()
            self._work()

    def _hand_over(self) -> None:
        transport, self._transport = self._transport, None
        self._open.discard(self)
        other = self._others()
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(bytes(self._buffer))


class NoHttp(logging.Filter):
    """Counts invalid HTTP, for each of which aiohttp would log a traceback; passes all other records."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._said = 0
        self._due = 0  # s UTC, time of the next line; 0: nothing to report

    def logger(self) -> logging.Logger:
        made = logging.Logger("onetape.venue")
        made.addFilter(self)
        return made

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        self.count += 1
        return False

    def line(self, now_s: int, *, at_once: bool = False) -> str:
        """Returns the line that reports the invalid requests since the last one, "" if none is due."""
        new = self.count - self._said
        if not new:
            return ""
        self._due = self._due or now_s + SAID_EVERY_S
        if now_s < self._due and not at_once:
            return ""
        self._said, self._due = self.count, 0
        return f"{new} requests were no HTTP and answered with 400 ({self.count} in all)"


def _ignore(_handle: asyncio.Handle) -> None:
    """Does nothing: the answer comes later."""

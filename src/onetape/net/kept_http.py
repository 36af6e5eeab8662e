"""Persistent HTTP connections for orders: a request is written as soon as it is made.

A connection carries one request at a time. If it ends during a request, the outcome of that request is unknown; no
request is repeated automatically. If no connection is free, the caller sends the request through the pool that all
other requests use.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any, Final, cast
from urllib.parse import urlsplit

from onetape.model.errors import VenueProtocolError
from onetape.net.connection import back_off
from onetape.net.egress import Egress
from onetape.orders.calls import Call
from onetape.venues.http_response import Response, ResponseReader

__all__ = ["KeptConnections"]

KEPT: Final = 5  # a ladder of five stops is sent at once
# Servers end idle connections after 60 s and more (nginx 75 s, Cloudflare and CloudFront longer): ours are closed
# earlier, so that none ends while a request is on its way.
IDLE_S: Final = 20.0
CONNECT_WITHIN_S: Final = 5.0
LOOK_S: Final = 0.5
_BODYLESS: Final = ("GET", "DELETE")


class KeptConnections:
    """Keeps connections to one host. rest: its base URL, `http://` or `https://`."""

    def __init__(self, rest: str, *, kept: int = KEPT, egress: Egress | None = None) -> None:
        location = urlsplit(rest)
        self._is_secure = location.scheme == "https"
        self._name = location.hostname or ""
        self._port = location.port or (443 if self._is_secure else 80)
        self._host = location.netloc.rpartition("@")[2]
        self._kept = kept
        self._egress = egress
        self._there: list[_Kept] = []
        self.sent = 0

    @property
    def is_free(self) -> bool:
        return any(each.is_free for each in self._there)

    def send(self, call: Call) -> asyncio.Future[Response] | None:
        """Sends a request and returns its future answer; None: no connection is free, and nothing was sent. The future
        raises OSError (also TimeoutError) if no answer came."""
        for each in self._there:
            if each.is_free:
                self.sent += 1
                return each.send(self._request(call))
        return None

    def _request(self, call: Call) -> bytes:
        lines = [f"{call.method} {call.target} HTTP/1.1", f"Host: {self._host}"]
        if "User-Agent" not in call.headers:
            lines.append("User-Agent: onetape")
        lines += [f"{name}: {value}" for name, value in call.headers.items()]
        if call.body or call.method not in _BODYLESS:
            lines.append(f"Content-Length: {len(call.body)}")
        if not all(map(str.isprintable, lines)):
            raise ValueError("a control character in a request")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + call.body

    async def keep(self) -> None:
        """Keeps connections open, until canceled."""
        secure = ssl.create_default_context() if self._is_secure else None
        failures = 0
        try:
            while True:
                now = time.monotonic()
                for each in self._there:
                    if each.is_free and now - each.used > IDLE_S:
                        each.close()
                self._there = [each for each in self._there if not each.is_closed]
                try:
                    while len(self._there) < self._kept:
                        self._there.append(await self._connect(secure))
                        failures = 0
                except OSError:
                    failures += 1
                    await back_off(failures - 1)
                await asyncio.sleep(LOOK_S)
        finally:
            for each in self._there:
                each.close()

    async def _connect(self, secure: ssl.SSLContext | None) -> _Kept:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_WITHIN_S):
            if self._egress is None:
                to: dict[str, Any] = {"host": self._name, "port": self._port}
            else:
                to = {"sock": await self._egress.open(self._name, self._port)}
                to |= {"server_hostname": self._name} if secure is not None else {}
            _, made = await loop.create_connection(lambda: _Kept(loop, self._name), ssl=secure, **to)
        return made


class _Kept(asyncio.Protocol):
    """Carries one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self.used = time.monotonic()
        self.is_closed = False
        self._loop = loop
        self._reader = ResponseReader(name)
        self._waiting: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_free(self) -> bool:
        return not self.is_closed and self._waiting is None

    def send(self, request: bytes) -> asyncio.Future[Response]:
        assert self._transport is not None and self._waiting is None
        self._waiting = self._loop.create_future()
        # The sender has given up: the answer must not be taken for that of the next request.
        self._waiting.add_done_callback(self._abandoned)
        self._transport.write(request)
        return self._waiting

    def _abandoned(self, waiting: asyncio.Future[Response]) -> None:
        if waiting.cancelled() and waiting is self._waiting:
            self._waiting = None
            self.close()

    def close(self) -> None:
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.is_closed:
            return
        try:
            found = self._reader.feed(data)
        except VenueProtocolError as error:
            self._end(ConnectionError(str(error)))
            self.close()
            return
        for response in found:
            waiting, self._waiting = self._waiting, None
            self.used = time.monotonic()
            if not response.keeps or not self._reader.is_between:
                # Extra bytes belong to no request.
                self.close()
            if waiting is None:
                self.close()
            elif not waiting.done():
                waiting.set_result(response)

    def eof_received(self) -> None:
        self.is_closed = True  # no further request is sent on it

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._end(ConnectionResetError("the connection was lost"))

    def _end(self, error: OSError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            with contextlib.suppress(asyncio.InvalidStateError):
                waiting.set_exception(error)

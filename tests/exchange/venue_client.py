"""A simulated exchange on a real socket, and a small client of it: plain HTTP, signed by hand.

The server runs in a thread of the test's process, on a free port of the loopback address.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import threading
import time
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from onetape.exchange.dialect import Connection, Pending, Request
from onetape.exchange.faults import parse_faults
from onetape.exchange.faulty import Faulty
from onetape.exchange.server import VenueServer
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.time import MINUTE
from onetape.supervisor.fork_server import is_readable
from waiting import PATIENCE_S

NOW = 1_795_000_000_000_000_000
HISTORY = 200 * 10**9  # of the market: enough for a few bars, and soon made


@contextmanager
def served(kind: str, seed: int = 7, *, faults: str = "", wrap=None, rate: float = Crowd().rate, **options):
    """(dialect, port) while the block runs. faults: TOML. wrap: puts another dialect around it. rate: of the market."""
    options.setdefault("market", Crowd(rate, HISTORY))
    dialect = open_venue(kind, seed=seed, now=time.time_ns(), **options)
    if faults:
        dialect = Faulty(dialect, kind, seed=seed)
        dialect.add(parse_faults(faults), dialect.exchange.now)
    if wrap is not None:
        dialect = wrap(dialect)
    server = VenueServer(dialect)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result(PATIENCE_S)
        yield dialect, port
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


class Wire:
    """Requests over a socket."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def now(self) -> int:
        return time.time_ns()

    def request(self, method: str, target: str, body: bytes, headers: dict[str, str]):
        if self.connection.sock is not None and is_readable(self.connection.sock, 0):
            self.connection.close()  # the server has closed it, which was idle for long: a new one is made
        self.connection.request(method, target, body=body or None, headers=headers)
        answer = self.connection.getresponse()
        received = {k.lower(): v for k, v in answer.getheaders()}
        return answer.status, value_of(answer.read()), received


def value_of(body: bytes):
    """An answer as JSON, or as text, where the venue says it in words."""
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        return body.decode()


class Virtual:
    """The same requests without a socket, at a time of the test's own."""

    def __init__(self, kind: str, seed: int = 7, *, faults: str = "", now: int = NOW, **options) -> None:
        """faults: TOML. A request whose answer is late is waited for; one that is never answered
        is a ConnectionResetError."""
        self.time = now
        self.connections = 0
        options.setdefault("market", Crowd(history=HISTORY))
        self.dialect = open_venue(kind, seed=seed, now=self.time, **options)
        if faults:
            self.dialect = Faulty(self.dialect, kind, seed=seed)
            self.give(faults)

    def give(self, faults: str) -> None:
        """More rules, from now on."""
        self.dialect.add(parse_faults(faults), self.time)
        self.settle()

    def now(self) -> int:
        return self.time

    def wait(self, seconds: float) -> None:
        """The market goes on; what a fault has put off comes in its time."""
        end = self.time + int(seconds * 1e9)
        while self.time < end:
            due = getattr(self.dialect, "next_due", end)
            self.time = min(max(due, self.time + 1), end, self.time + MINUTE)  # as a server, which looks often
            self.dialect.exchange.advance(self.time)
            self.settle()

    def settle(self) -> None:
        reports = self.dialect.exchange.take()
        self.dialect.publish(reports, self.time)
        self.dialect.tick(self.time)

    def request(self, method: str, target: str, body: bytes, headers: dict[str, str]):
        self.time += 1_000_000
        self.dialect.exchange.advance(self.time)
        path, _, query = target.partition("?")
        received = {k.lower(): v for k, v in headers.items()}
        reply = self.dialect.http(Request(method, path, query, body, received, "127.0.0.1"), self.time)
        self.settle()
        if isinstance(reply, Pending):
            for _ in range(3600):
                if reply.is_done:
                    break
                self.wait(min(max(self.dialect.next_due - self.time, 1), 10**9) / 1e9)
            assert reply.is_done, "no answer within an hour"
            if reply.reply is None:
                raise ConnectionResetError
            reply = reply.reply
        return (reply.status, value_of(reply.body), {k.lower(): v for k, v in reply.headers.items()})

    def connect(self, path: str) -> Connection:
        target, _, query = path.partition("?")
        self.connections += 1
        connection = Connection(self.connections, target, query, "127.0.0.1", self.time)
        assert self.dialect.connect(connection, self.time)
        return connection


def heard(connection: Connection) -> list:
    """What a virtual connection was sent since the last call."""
    out, connection.out = connection.out, []
    return [json.loads(m) if isinstance(m, bytes) else m for m in out]


def ok(answer: tuple[int, Any]) -> Any:
    """What was answered, which is no refusal."""
    status, body = answer
    assert status == 200, body
    return body


class BinanceClient:
    """Signs as the documentation says, independently of the code under test. ahead: of its clock,
    in ms."""

    def __init__(self, transport: Wire | Virtual, key: str, secret: str, ahead: int = 0) -> None:
        self.transport, self.key, self.secret, self.ahead = transport, key, secret, ahead

    def ask(self, method: str, path: str, *, signed: bool = True, **params):
        query = urlencode(params)
        if signed:
            stamp = self.transport.now() // 1_000_000 + self.ahead
            query += f"{'&' if query else ''}timestamp={stamp}"
            digest = hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
            query += f"&signature={digest}"
        target = f"{path}?{query}" if query else path
        status, body, self.headers = self.transport.request(method, target, b"", {"X-MBX-APIKEY": self.key})
        return status, body

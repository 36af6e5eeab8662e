"""What a venue's dialect is to the shell that serves it: requests in, replies and messages out.

No I/O and no clock: the shell hands in the time with every call, and carries out what was said. The
same dialect runs behind a socket, under a virtual clock, and in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote_plus

import msgspec

from onetape._core import plain_fields
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import Report

__all__ = ["ABORT", "Close", "Connection", "Dialect", "Pending", "Reply", "Request", "Streamed", "encode", "fields"]

encode: Final = msgspec.json.encode
OUT_MAX: Final = 100_000  # messages that wait for a client; one that is slower is disconnected


class Request(NamedTuple):
    """One HTTP request. `query` and `body` are as they were sent; header names in lower case."""

    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]
    peer: str  # the address it came from


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        return cls(status, encode(value), headers or {})


@dataclass(slots=True, eq=False)
class Pending:
    """An answer that is not there yet; a later `tick` or `publish` of the dialect finishes it. One
    that is done without a reply never comes: the shell cuts the connection."""

    is_done: bool = False
    reply: Reply | None = None
    then: Callable[[], None] | None = None  # the shell's, called once when it is done

    def finish(self, reply: Reply | None) -> None:
        if self.is_done:
            return
        self.is_done, self.reply = True, reply
        if self.then is not None:
            self.then()


ABORT: Final = 1006  # a code that is never sent: the connection is cut without a word


class Close(NamedTuple):
    """The venue ends a connection; with ABORT there is no closing frame."""

    code: int = 1000
    reason: str = ""


@dataclass(slots=True, eq=False)
class Connection:
    """One WebSocket client. `state` is the dialect's, `out` what the shell has to send."""

    id: int
    path: str
    query: str
    peer: str
    opened: int  # ns UTC
    headers: dict[str, str] = field(default_factory=dict)  # of the request; names in lower case
    out: list[bytes | Close] = field(default_factory=list)
    state: Any = None
    closed: bool = False
    silent: bool = False  # open, and nothing is said or answered any more, not even a ping
    heard: Callable[[], None] | None = None  # the shell's, called when something begins to wait

    def send(self, message: bytes) -> None:
        if self.closed:
            return
        if len(self.out) >= OUT_MAX:
            self.close(1008, "too slow")
            return
        self._put(message)

    def say(self, value: Any) -> None:
        self.send(encode(value))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.closed:
            self.closed = True
            self._put(Close(code, reason))

    def _put(self, message: bytes | Close) -> None:
        self.out.append(message)
        if len(self.out) == 1 and self.heard is not None:
            self.heard()


class Dialect(Protocol):
    """A venue's protocol in front of a SimExchange."""

    exchange: SimExchange
    skew: int  # ns, how far the venue's clock, as it is shown and checked, is ahead of the time

    @property
    def vocabulary(self) -> Callable[[str, Dialect], Any]:
        """Makes, of a kind and this, what reads its requests and messages for faults: a `VenueWords`."""
        ...

    def http(self, request: Request, now: int) -> Reply | Pending:
        """Answers one request; the exchange stands at `now`."""
        ...

    def connect(self, connection: Connection, now: int) -> bool:
        """A WebSocket client is there; False: no such path."""
        ...

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        """A text message of a client."""
        ...

    def disconnect(self, connection: Connection) -> None:
        """The client is gone."""
        ...

    def publish(self, reports: list[Report], now: int) -> None:
        """Turns what the exchange said into messages."""
        ...

    def tick(self, now: int) -> None:
        """Some time has passed: heartbeats, batches that are due, keys that expire."""
        ...

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        """Base URLs of REST and WebSocket."""
        ...


class Streamed:
    """A base of `Dialect`s whose WebSocket side is one object, which has these methods, too."""

    streams: Any

    def connect(self, connection: Connection, now: int) -> bool:
        return bool(self.streams.connect(connection, now))

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        self.streams.message(connection, data, now)

    def disconnect(self, connection: Connection) -> None:
        self.streams.disconnect(connection)

    def publish(self, reports: list[Report], now: int) -> None:
        self.streams.publish(reports, now)

    def tick(self, now: int) -> None:
        self.streams.tick(now)


def fields(text: str) -> dict[str, str]:
    """`a=1&b=2` as a dict; of a name that comes twice the last."""
    plain: Any = plain_fields(text)
    found: dict[str, str] = plain
    if plain is not None:  # nearly always, and a fraction of the time
        return found
    found = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            found[unquote_plus(name)] = unquote_plus(value)
    return found

"""The interface between a venue's dialect and the server: requests in, replies and messages out.

No I/O and no clock: the server passes the time with every call, and sends the results. The same dialect runs behind
a socket, under a virtual clock, and in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote_plus

import msgspec

from onetape._core import plain_fields, plain_units
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import Report

__all__ = [
    "ABORT",
    "NO_NUMBER",
    "TOO_FINE",
    "Close",
    "Connection",
    "Dialect",
    "Pending",
    "Reply",
    "Request",
    "Streamed",
    "encode",
    "fields",
    "sent_units",
]

encode: Final = msgspec.json.encode
NO_NUMBER, TOO_FINE = -1, -2  # in place of a number
OUT_MAX: Final = 100_000  # messages queued for a client; a client that falls further behind is disconnected


class Request(NamedTuple):
    """One HTTP request. query, body: as they were sent; headers: names in lower case."""

    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]
    peer: str  # the client's address


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        return cls(status, encode(value), headers or {})


@dataclass(slots=True, eq=False)
class Pending:
    """An answer that comes later, from a `tick` or `publish` of the dialect. If it is done without a reply, the server
    cuts the connection."""

    is_done: bool = False
    reply: Reply | None = None
    then: Callable[[], None] | None = None  # set by the server, called once when it is done

    def finish(self, reply: Reply | None) -> None:
        if self.is_done:
            return
        self.is_done, self.reply = True, reply
        if self.then is not None:
            self.then()


ABORT: Final = 1006  # never sent: the connection is cut without a closing frame


class Close(NamedTuple):
    """The venue ends a connection; with ABORT there is no closing frame."""

    code: int = 1000
    reason: str = ""


@dataclass(slots=True, eq=False)
class Connection:
    """One WebSocket client. `state` is the dialect's, `out` the messages to send."""

    id: int
    path: str
    query: str
    peer: str
    opened: int  # ns UTC
    headers: dict[str, str] = field(default_factory=dict)  # of the request; names in lower case
    out: list[bytes | Close] = field(default_factory=list)
    state: Any = None
    closed: bool = False
    silent: bool = False  # open, but nothing is sent or answered any more, not even a ping
    heard: Callable[[], None] | None = None  # set by the server, called when the queue becomes non-empty

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
    skew: int  # ns, how far the venue's shown and checked clock is ahead of the time

    @property
    def vocabulary(self) -> Callable[[str, Dialect], Any]:
        """Returns a function (kind, dialect) -> `VenueWords`, which reads the dialect's requests and messages for fault
        rules."""
        ...

    def http(self, request: Request, now: int) -> Reply | Pending:
        """Answers one request at time `now`."""
        ...

    def connect(self, connection: Connection, now: int) -> bool:
        """Accepts a WebSocket client; returns False if there is no such path."""
        ...

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        """Handles a text message of a client."""
        ...

    def disconnect(self, connection: Connection) -> None:
        """Handles the end of a connection."""
        ...

    def publish(self, reports: list[Report], now: int) -> None:
        """Converts the exchange's reports to messages."""
        ...

    def tick(self, now: int) -> None:
        """Does what is due: heartbeats, batches of messages, keys that expire."""
        ...

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        """Returns the base URLs of REST and WebSocket."""
        ...


class Streamed:
    """A base of `Dialect`s that pass WebSocket events on to one object with the same methods."""

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
    """Parses `a=1&b=2` to a dict; the last of equal names counts."""
    plain: Any = plain_fields(text)
    found: dict[str, str] = plain
    if plain is not None:  # the usual case, and much faster
        return found
    found = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            found[unquote_plus(name)] = unquote_plus(value)
    return found


def sent_units(text: object, decimals: int) -> int:
    """Returns a number of a request, text or not, in units of 10**-decimals; NO_NUMBER, TOO_FINE: it has more
    decimals."""
    if not isinstance(text, str | int | float) or isinstance(text, bool):
        return NO_NUMBER
    if (units := plain_units(str(text), decimals)) is not None:
        return units
    try:
        value = Decimal(str(text)).scaleb(decimals)
    except InvalidOperation:
        return NO_NUMBER
    if not value.is_finite():
        return NO_NUMBER
    return int(value) if value == int(value) else TOO_FINE

"""Reads what fault rules match from a venue's requests and messages, and writes the venue's errors.

Purposes are those of `onetape.orders.calls.Purpose`, and `other`. Differences between venues are in their folders,
`words.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from onetape.exchange.dialect import Connection, Dialect, Reply, Request, fields
from onetape.exchange.faults import ActiveRule
from onetape.model.errors import BadConfig
from onetape.model.json_text import read_json
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Outcome

__all__ = ["Facts", "Said", "StreamMessage", "VenueWords", "is_number", "object_of", "ways"]

READS: Final = frozenset(
    {Purpose.QUERY, Purpose.OPEN_ORDERS, Purpose.OPEN_CONDITIONALS, Purpose.FILLS, Purpose.BALANCES, Purpose.POSITIONS}
)
PATHS_KEPT: Final = 256  # paths in the cache; further ones are looked up each time

Ways = dict[tuple[str, str], Purpose]
Said = tuple[Reply, bool]  # the answer, and whether the request may have been carried out all the same


def ways(text: str) -> Ways:
    """Parses lines of `purpose: METHOD path | METHOD path`; for a WebSocket the method is WS and the path is the call's
    name."""
    found: Ways = {}
    for line in text.strip().splitlines():
        purpose, _, each = line.partition(": ")
        for way in each.split(" | "):
            method, _, path = way.partition(" ")
            found[method, path] = Purpose(purpose)
    return found


class Facts(NamedTuple):
    """The facts of a request. By WebSocket `method` is WS, and `path` the call's name."""

    method: str
    path: str
    purpose: str
    account: str  # "": none, or an unknown key
    symbols: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        return self.purpose in READS


class StreamMessage(NamedTuple):
    """The facts of a stream's message. event: "" for an answer, or a message without a name."""

    event: str
    symbols: tuple[str, ...]
    is_private: bool


class VenueWords(ABC):
    """Reads requests and writes errors of one kind of exchange.

    ways: the purposes of its calls. root: the beginning of its paths, "": the last part of a path names the call. key:
    the header that names an account. errors: code or text -> refusal.
    """

    ways: ClassVar[Ways]
    errors: ClassVar[Mapping[Any, Any]]
    root: ClassVar[str] = ""
    key: ClassVar[str] = "api-key"
    has_listen_keys: ClassVar[bool] = False

    def __init__(self, kind: str, dialect: Dialect) -> None:
        self.kind = kind
        self.dialect = dialect
        self.exchange = dialect.exchange
        self._purposes: dict[tuple[str, str], str] = {}  # cache: (method, path) -> purpose
        self.public: Any = getattr(dialect, "public", None)

    # --- requests ---------------------------------------------------------------------------------

    def request(self, request: Request, *, with_symbols: bool = True) -> Facts:
        """Returns a request's facts. with_symbols: include its symbols, which only rules need."""
        name = self.name_of(self.caller_key(request))
        way = (request.method, request.path)
        purpose = self._purposes.get(way)
        if purpose is None:
            purpose = self._purpose(*way)
            if len(self._purposes) < PATHS_KEPT:
                self._purposes[way] = purpose
        if not with_symbols:
            return Facts(*way, purpose, name)
        named: dict[str, Any] = dict(fields(request.query))
        body = request.body.strip()
        if body[:1] == b"{":
            named |= object_of(body)
        elif body:
            named |= fields(body.decode("utf-8", "replace"))
        return Facts(*way, purpose, name, _symbols(named))

    def caller_key(self, request: Request) -> str:
        """Returns the caller's key, "": none."""
        return request.headers.get(self.key, "")

    def name_of(self, key: object) -> str:
        """Returns the name of a key's account, "" if there is none."""
        account = self.exchange.accounts.by_key.get(str(key))
        return account.name if account else ""

    def _purpose(self, method: str, path: str) -> str:
        if method != "WS":
            path = path.removeprefix(self.root) if self.root else path.rpartition("/")[2]
        found = self.ways.get((method, path))
        return found.value if found else "other"

    def call(self, connection: Connection, data: bytes) -> Facts:
        name, named, account = self.socket_query(connection, object_of(data))
        return Facts("WS", name, self._purpose("WS", name), account, _symbols(named))

    def socket_query(self, connection: Connection, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
        """Returns name and parameters of a socket's request, and its account, "" if none."""
        name, params = str(request.get("method") or request.get("op") or ""), request.get("params")
        return name, params if isinstance(params, dict) else {}, self.account_of(connection)

    # --- streams ----------------------------------------------------------------------------------

    def account_of(self, connection: Connection) -> str:
        """Returns the account of a connection's private messages, "" if none."""
        account = getattr(connection.state, "account", None)
        return account.name if account else ""

    def message_facts(self, message: bytes) -> StreamMessage:
        value = object_of(message)
        event, is_private = self.event_of(value)
        rows = value.get("data")
        rows = rows if isinstance(rows, list) else [rows]
        named = [r.get("symbol", r.get("s")) for r in rows if isinstance(r, dict)]
        found = {str(each): None for each in named if each is not None}
        return StreamMessage(event, tuple(found), is_private)

    def event_of(self, value: Mapping[str, Any]) -> tuple[str, bool]:
        """Returns the name of a stream's message, and whether it is private."""
        event = str(value.get("channel", ""))
        return event, event in ("executions", "balances") or event.startswith("account_")

    def spellings(self, symbol: str) -> frozenset[str]:
        """Returns all of the venue's spellings of a symbol. Raises BadConfig for an unknown one."""
        i = self.exchange.instruments[self.index(symbol)]
        return frozenset({symbol, i.symbol, i.raw_symbol})

    def index(self, symbol: str) -> int:
        for at, i in enumerate(self.exchange.instruments):
            if symbol in (i.symbol, i.raw_symbol, i.symbol.partition(":")[2]):
                return at
        names = ", ".join(i.raw_symbol for i in self.exchange.instruments)
        raise BadConfig(f"no symbol {symbol!r}", location=self.kind, todo=f"one of {names}")

    def expire_keys(self, account: str, now: int, *, silent: bool) -> None:
        """Ends the keys of an account's streams, "": of all; silent: without an event. Called where there are some."""
        raise NotImplementedError

    def farewell(self, connection: Connection, now: int) -> Any:
        """Returns what the venue says before it closes a connection for maintenance, None: nothing."""
        return None

    # --- errors -----------------------------------------------------------------------------------

    def error(self, rule: ActiveRule) -> Said:
        """Returns (the answer, whether the request may have been carried out). Raises BadConfig for an unknown
        error."""
        name, status = rule.rule.error, rule.rule.status
        if not name:
            return Reply(status, rule.rule.body.encode()), True
        found = self.named_error(name, status)
        if found is None:
            raise BadConfig(
                f"{self.kind} has no error {name!r}",
                location="faults",
                todo=f"errors that leave the outcome unknown: {', '.join(self.ambiguous())}; or give status and body",
            )
        return found

    @abstractmethod
    def named_error(self, name: str, status: int) -> Said | None:
        """Returns an error by its code or text; None: unknown. status: of HTTP, 0: the default."""

    def socket_error(self, reply: Reply, request: bytes) -> bytes | None:
        """Converts an HTTP error to an answer by WebSocket; None if there is none, because the message was no request,
        or the error is not the venue's."""
        try:
            value: dict[str, Any] = read_json(request)
            said: dict[str, Any] = msgspec.json.decode(reply.body)
            return self.said_by_socket(value, said, reply.status)
        except (msgspec.DecodeError, LookupError, TypeError):
            return None

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        """Returns an error as an answer by WebSocket. Raises LookupError, TypeError for an error that is not in the
        venue's form."""
        return None

    def ambiguous(self) -> list[str]:
        """Returns the errors after which it is unknown whether a request was carried out."""
        return [str(row.code) for row in self.errors.values() if row.outcome is Outcome.AMBIGUOUS]

    @abstractmethod
    def maintenance(self) -> Reply:
        """Returns the answer during maintenance."""


def object_of(data: bytes) -> dict[str, Any]:
    try:
        found = read_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii()


def _symbols(named: Mapping[str, Any]) -> tuple[str, ...]:
    found = [named[name] for name in ("symbol", "pair", "instId") if isinstance(named.get(name), str)]
    return tuple(found)

"""OKX v5 in front of a simulated exchange: routes, signatures, envelopes, the WebSockets' calls.

Spot, swaps and dated futures of an account in futures mode, with one side or two, or in spot mode. Live and demo keys
are the same here, so the header of demo trading means nothing. Source: OKX API v5 documentation, as of 2026-07; the
bytes that clients send, as python-okx 0.4.1 and ccxt 4.5.90 sign them.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.dialect import Connection, Reply, Request, Streamed, fields
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import password_of
from onetape.exchange.okx.account import AccountData
from onetape.exchange.okx.limits import Limits
from onetape.exchange.okx.public import PublicData
from onetape.exchange.okx.streams import Streams, Subscriber
from onetape.exchange.okx.trading import Trading
from onetape.exchange.okx.wire import Refused, said
from onetape.exchange.okx.words import OkxWords
from onetape.model.json_text import read_json
from onetape.model.time import MS, SECOND

__all__ = ["Okx"]

ROOT: Final = "/api/v5/"
IDLE_NS: Final = 30 * SECOND
WINDOW_S: Final = 30
LOGIN_NS: Final = 30 * SECOND
SOCKETS: Final = {f"/ws/v5/{way}": way for way in ("public", "private", "business")}
# Name of a batch -> its requests; by REST as the path, by WebSocket as the operation.
BATCHES: Final = {
    "trade/batch-orders": "order",
    "trade/cancel-batch-orders": "cancel-order",
    "trade/amend-batch-orders": "amend-order",
    "trade/cancel-algos": "cancel-algos",
}
SINGLE: Final = {f"trade/{name}": name for name in ("order", "cancel-order", "amend-order", "order-algo")}
OPERATIONS: Final = {
    "order": "order",
    "cancel-order": "cancel-order",
    "amend-order": "amend-order",
    "batch-orders": "order",
    "batch-cancel-orders": "cancel-order",
    "batch-amend-orders": "amend-order",
}
_FAILED: Final = {0: "", 1: "All operations failed", 2: "Bulk operation partially succeeded."}


class Okx(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = OkxWords
    streams: Streams

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.public = PublicData(exchange)
        self.data = AccountData(exchange, self.public)
        self.trading = Trading(exchange, self.public, self.data)
        self.streams = Streams(exchange, self.public, self.data, self.trading)
        self._second = 0

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        try:
            return Reply.json(self._answered(request, now))
        except Refused as refused:
            return Reply.json(said([], code=refused.code, text=refused.text), refused.status)

    def _answered(self, request: Request, now: int) -> dict[str, Any]:
        name, shown = request.path.removeprefix(ROOT), now + self.skew
        if request.method == "GET" and (public := self.public.handlers.get(name)):
            self.limits.spend(request.peer, name, now)
            return said(public(fields(request.query), shown))
        account = self._account(request, shown)
        if request.method == "GET" and name in self.data.handlers:
            self.limits.spend(account.number, name, now)
            return said(self.data.handlers[name](account, fields(request.query), now))
        has_path = name in SINGLE or name in BATCHES or name in self.trading.settings
        if request.method != "POST" or not has_path:
            raise Refused(50000, "Request path is not found", status=404)
        if not account.can_trade or not self._may_trade(request.headers["ok-access-key"]):
            raise Refused(50120, status=401)
        self._check_expiry(request.headers.get("exptime"), shown)
        value = _json_of(request.body)
        if name in self.trading.settings:
            self.limits.spend(account.number, name, now)
            return said(self.trading.settings[name](account, _object(value), now))
        requests = value if name in BATCHES and isinstance(value, list) else [_object(value)]
        return self._carry_out(SINGLE.get(name) or BATCHES[name], account, requests, now)

    def _carry_out(
        self, name: str, account: SimAccount, requests: list[Any], now: int, *, by_code: bool = False
    ) -> dict[str, Any]:
        first = requests[0] if requests and isinstance(requests[0], dict) else {}
        at = self.trading.at(first, by_code=by_code) if not by_code or first.get("instIdCode") is not None else -1
        self.limits.spend_orders(account.number, name, at, now, len(requests))
        rows, code = self.trading.batch(name, account, requests, now, by_code=by_code)
        times = {"inTime": str(now // 1000), "outTime": str(now // 1000)}
        return {**said(rows, code=code, text=_FAILED[code]), **times}

    def _may_trade(self, key: str) -> bool:
        found = self.exchange.accounts.keys.get(key)
        return found is not None and found.can_trade

    @staticmethod
    def _check_expiry(text: Any, shown: int) -> None:
        """Raises Refused for a request that is valid no longer."""
        if text in (None, ""):
            return
        if not str(text).isdecimal():
            raise Refused(51000, "Parameter expTime error")
        if int(text) * MS < shown:
            raise Refused(50036)

    def _account(self, request: Request, shown: int) -> SimAccount:
        """Returns the account that has signed a request. Raises Refused."""
        names = (("key", 50103), ("passphrase", 50104), ("sign", 50106), ("timestamp", 50107))
        key, password, signature, time = (request.headers.get(f"ok-access-{name}", "") for name, _ in names)
        for (_, code), text in zip(names, (key, password, signature, time), strict=True):
            if not text:
                raise Refused(code, status=401)
        account, secret = self._owner(key, request.peer)
        try:
            made = datetime.fromisoformat(f"{time.removesuffix('Z')}+00:00").timestamp()
        except (ValueError, OverflowError):
            raise Refused(50112, status=401) from None
        if abs(shown / SECOND - made) > WINDOW_S:
            raise Refused(50102, status=401)
        target = f"{request.path}?{request.query}" if request.query else request.path
        wanted = _signed(secret, f"{time}{request.method}{target}".encode() + request.body)
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            raise Refused(50113, status=401)
        if not hmac.compare_digest(password_of(secret).encode(), password.encode()):
            raise Refused(50105, status=401)
        return account

    def _owner(self, key: str, peer: str, *, unknown: int = 50111) -> tuple[SimAccount, str]:
        account, found = self.exchange.accounts.by_key.get(key), self.exchange.accounts.keys.get(key)
        if account is None or found is None:
            raise Refused(unknown, status=401)
        if found.addresses and peer not in found.addresses:
            raise Refused(50110, f"Your IP {peer} is not included in your API key's IP whitelist.", status=401)
        return account, found.secret

    # --- WebSocket --------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        way = SOCKETS.get(connection.path.rstrip("/"))
        if way is None:
            return False
        connection.state = Subscriber(way, now)
        self.streams.connections[connection.id] = connection
        return True

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        subscriber: Subscriber = connection.state
        subscriber.active = now
        if data == b"ping":
            connection.send(b"pong")
            return
        request: dict[str, Any] = {}
        try:
            request = _object(_json_of(data))
            operation, args = request.get("op"), request.get("args")
            args = args if isinstance(args, list) else []
            match operation:
                case "login":
                    self._log_in(connection, args, now)
                case "subscribe" | "unsubscribe":
                    for arg in args:
                        self._subscribe(connection, str(operation), arg, request, now)
                case str() if operation in OPERATIONS and subscriber.way == "private":
                    self._call(connection, request, operation, args, now)
                case _:
                    raise Refused(60012, f"Invalid request: {data[:80]!s}")
        except Refused as refused:
            self._refuse(connection, request, refused)

    @staticmethod
    def _refuse(connection: Connection, request: dict[str, Any], refused: Refused) -> None:
        about = {"event": "error", "code": str(refused.code), "msg": refused.text, "connId": _id(connection)}
        named = {"id": request["id"]} if "id" in request and request.get("op") in ("subscribe", "unsubscribe") else {}
        connection.say({**named, **about})

    def _log_in(self, connection: Connection, args: list[Any], now: int) -> None:
        account_of = args[0] if args and isinstance(args[0], dict) else {}
        time, shown = str(account_of.get("timestamp", "")), now + self.skew
        if connection.state.way == "public":
            raise Refused(60012, "Invalid request: login")
        if not time.isdecimal():
            raise Refused(60004)
        if abs(shown // SECOND - int(time)) * SECOND > LOGIN_NS:
            raise Refused(60006)
        account, secret = self._owner(str(account_of.get("apiKey")), connection.peer, unknown=60005)
        wanted = _signed(secret, f"{time}GET/users/self/verify".encode())
        if not hmac.compare_digest(wanted.encode(), str(account_of.get("sign")).encode()):
            raise Refused(60007)
        if not hmac.compare_digest(password_of(secret).encode(), str(account_of.get("passphrase")).encode()):
            raise Refused(60024)
        connection.state.account = account
        connection.say({"event": "login", "code": "0", "msg": "", "connId": _id(connection)})

    def _subscribe(self, connection: Connection, operation: str, arg: Any, request: dict[str, Any], now: int) -> None:
        if operation == "unsubscribe":
            self.streams.unsubscribe(connection, arg)
        else:
            self.streams.subscribe(connection, arg, now)
        named = {"id": request["id"]} if "id" in request else {}
        connection.say({**named, "event": operation, "arg": arg, "connId": _id(connection)})
        if operation == "unsubscribe":
            return
        if connection.state.way == "private":
            count = str(self.streams.count(self.streams.topic(connection, arg)))
            about = {"event": "channel-conn-count", "channel": arg["channel"], "connCount": count}
            connection.say({**about, "connId": _id(connection)})
        self.streams.begin(connection, arg, now)

    def _call(self, connection: Connection, request: dict[str, Any], operation: str, args: list[Any], now: int) -> None:
        """Carries out a request about orders."""
        account = connection.state.account
        about = {"id": str(request.get("id") or ""), "op": operation}
        try:
            if account is None:
                raise Refused(60011)
            if not account.can_trade:
                raise Refused(50120)
            self._check_expiry(request.get("expTime"), now + self.skew)
            requests = args if operation.startswith("batch-") else args[:1]
            answer = self._carry_out(OPERATIONS[operation], account, requests, now, by_code=True)
        except Refused as refused:
            answer = said([], code=refused.code, text=refused.text)
        connection.say({**about, **answer})

    def tick(self, now: int) -> None:
        self.streams.tick(now)
        if self._second == now // SECOND:
            return
        self._second = now // SECOND
        for connection in list(self.streams.connections.values()):
            if now - connection.state.active >= IDLE_NS:
                connection.close(4004, "No data received in 30s")


def _signed(secret: str, text: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()


def _id(connection: Connection) -> str:
    return f"{connection.id:08x}"


def _json_of(data: bytes) -> Any:
    try:
        return read_json(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(50002, "JSON syntax error", status=400) from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(50002, "JSON syntax error", status=400)
    return value

"""Bybit v5 in front of a simulated exchange: routes, signatures, envelopes, the WebSockets' calls.

Spot and contracts of a unified account, one-way or hedge mode. Source: Bybit API documentation v5, as of 2026-07; the
bytes that clients send, as pybit 5.17.0 and ccxt 4.5.90 sign them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.bybit.account import AccountData
from onetape.exchange.bybit.limits import Limits
from onetape.exchange.bybit.public import PublicData
from onetape.exchange.bybit.streams import Streams, Subscriber
from onetape.exchange.bybit.trading import Params, Trading
from onetape.exchange.bybit.wire import Refused, ms, said
from onetape.exchange.bybit.words import BybitWords
from onetape.exchange.dialect import Connection, Reply, Request, Streamed, fields
from onetape.exchange.exchange import SimExchange
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, MS, SECOND

__all__ = ["Bybit"]

ROOT: Final = "/v5/"
IDLE_NS: Final = 10 * MINUTE
SOCKETS: Final = {
    **{f"/v5/public/{name}": name for name in ("linear", "inverse", "spot", "option")},
    "/v5/private": "private",
    "/v5/trade": "trade",
}
BATCHES: Final = {f"order.{name}-batch": f"order.{name}" for name in ("create", "amend", "cancel")}
Signed = Callable[[SimAccount, Params, int], Any]


class Bybit(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = BybitWords
    streams: Streams

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.public = PublicData(exchange)
        self.data = AccountData(exchange, self.public)
        self.trading = Trading(exchange, self.public)
        self.streams = Streams(exchange, self.public, self.data, self.trading)
        trading = self.trading
        self._posts: dict[str, Signed] = {
            "order/create": trading.create,
            "order/amend": trading.amend,
            "order/cancel": trading.cancel,
            "order/cancel-all": trading.cancel_all,
            "position/set-leverage": trading.set_leverage,
            "position/switch-mode": trading.switch_mode,
            "position/trading-stop": trading.trading_stop,
            "account/set-margin-mode": trading.set_margin_mode,
            "asset/transfer/inter-transfer": trading.transfer,
        }
        self._batches = {f"order/{name.removeprefix('order.')}": of for name, of in BATCHES.items()}
        self._batches = {path.replace("-batch", "") + "-batch": of for path, of in self._batches.items()}
        self._second = 0

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        shown = now + self.skew
        try:
            self.limits.enter(request.peer, now)
            headers, answer = self._answered(request, now)
            return Reply.json(answer, 200, headers)
        except Refused as refused:
            return Reply.json(said(shown, {}, code=refused.code, text=refused.text), refused.status, refused.headers)

    def _answered(self, request: Request, now: int) -> tuple[dict[str, str], dict[str, Any]]:
        name, shown = request.path.removeprefix(ROOT), now + self.skew
        if request.method == "GET" and (public := self.public.handlers.get(name)):
            return {}, said(shown, public(fields(request.query), shown))
        account = self._account(request, now)
        if request.method == "GET" and name in self.data.handlers:
            headers = self.limits.spend(account.number, name, now)
            return headers, said(shown, self.data.handlers[name](account, fields(request.query), now))
        if request.method != "POST" or not (name in self._posts or name in self._batches):
            raise Refused(10001, "Request path is not found", status=404)
        params = _object(request.body)
        if not account.can_trade or not self._may_trade(request.headers.get("x-bapi-api-key", "")):
            raise Refused(10005)
        if name in self._batches:
            requests = params.get("request")
            count = len(requests) if isinstance(requests, list) else 1
            category = params.get("category")
            headers = self.limits.spend(account.number, name, now, count=count, category=category)
            result, codes = self.trading.batch(account, params, now, self._batches[name])
            return headers, said(shown, result, more={"list": codes})
        headers = self.limits.spend(account.number, name, now, category=params.get("category"))
        return headers, said(shown, self._posts[name](account, params, now))

    def _may_trade(self, key: str) -> bool:
        found = self.exchange.accounts.keys.get(key)
        return found is not None and found.can_trade

    def _account(self, request: Request, now: int) -> SimAccount:
        """Returns the account that has signed a request. Raises Refused."""
        headers = request.headers
        key, time = headers.get("x-bapi-api-key", ""), headers.get("x-bapi-timestamp", "")
        window, signature = headers.get("x-bapi-recv-window") or "5000", headers.get("x-bapi-sign", "")
        if not key or not signature:
            raise Refused(10003, "Request not authorized - Key is not found")
        sent = request.query.encode() if request.method == "GET" else request.body
        account, secret = self._owner(key, request.peer)
        wanted = hmac.new(secret.encode(), f"{time}{key}{window}".encode() + sent, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            raise Refused(10004)
        shown = now + self.skew
        if not (time.isdigit() and window.isdigit()):
            raise Refused(10001, "timestamp invalid")
        if not shown - int(window) * MS <= int(time) * MS < shown + SECOND:
            text = f"invalid request, please check your server timestamp or recv_window param. req_timestamp[{time}],"
            raise Refused(10002, f"{text}server_timestamp[{ms(shown)}],recv_window[{window}]")
        return account

    def _owner(self, key: str, peer: str) -> tuple[SimAccount, str]:
        account, found = self.exchange.accounts.by_key.get(key), self.exchange.accounts.keys.get(key)
        if account is None or found is None:
            raise Refused(10003, "API key is invalid.")
        if found.addresses and peer not in found.addresses:
            raise Refused(10010, "Unmatched IP, please check your API key's bound IP addresses.")
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
        subscriber.heard = now
        try:
            request = _object(data)
        except Refused:
            self._say(connection, {}, "", success=False, text="Params Error")
            return
        operation, args = request.get("op"), request.get("args")
        args = args if isinstance(args, list) else []
        match operation:
            case "ping":
                self._pong(connection, request, now)
            case "auth" if subscriber.way in ("private", "trade"):
                self._log_in(connection, request, args, now)
            case "subscribe" | "unsubscribe" if subscriber.way != "trade":
                self._subscribe(connection, request, str(operation), [str(each) for each in args], now)
            case str() if subscriber.way == "trade":
                self._call(connection, request, operation, args, now)
            case _:
                self._say(connection, request, str(operation), success=False, text=f"unknown op {operation}")

    def _pong(self, connection: Connection, request: Params, now: int) -> None:
        way = connection.state.way
        if way == "trade":
            connection.say({"retCode": 0, "op": "pong", "data": [str(ms(now))], "connId": _id(connection)})
        elif way == "private":
            about = {"req_id": request["req_id"]} if "req_id" in request else {}
            connection.say({**about, "op": "pong", "args": [str(ms(now))], "conn_id": _id(connection)})
        else:
            self._say(connection, request, "ping", text="pong")

    @staticmethod
    def _say(connection: Connection, request: Params, operation: str, *, success: bool = True, text: str = "") -> None:
        about = {"success": success, "ret_msg": text, "conn_id": _id(connection)}
        connection.say({**about, "req_id": request.get("req_id", ""), "op": operation})

    def _log_in(self, connection: Connection, request: Params, args: list[Any], now: int) -> None:
        is_trade = connection.state.way == "trade"
        try:
            if len(args) != 3 or not str(args[1]).isdigit():
                raise Refused(10001, "Params Error")
            if connection.state.account is not None and is_trade:
                raise Refused(20001)
            account, secret = self._owner(str(args[0]), connection.peer)
            wanted = hmac.new(secret.encode(), f"GET/realtime{args[1]}".encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(wanted.encode(), str(args[2]).encode()) or int(args[1]) * MS <= now + self.skew:
                raise Refused(10004)
        except Refused as refused:
            if is_trade:
                about = {"retCode": refused.code, "retMsg": refused.text, "op": "auth", "connId": _id(connection)}
                connection.say(about)
            else:
                self._say(connection, request, "auth", success=False, text=refused.text)
            return
        connection.state.account = account
        if is_trade:
            connection.say({"retCode": 0, "retMsg": "OK", "op": "auth", "connId": _id(connection)})
        else:
            self._say(connection, request, "auth")

    def _subscribe(self, connection: Connection, request: Params, operation: str, texts: list[str], now: int) -> None:
        try:
            if operation == "subscribe":
                self.streams.subscribe(connection, texts, now)
            else:
                self.streams.unsubscribe(connection, texts)
        except Refused as refused:
            self._say(connection, request, operation, success=False, text=refused.text)
            return
        self._say(connection, request, operation, text=operation if connection.state.way == "spot" else "")
        if operation == "subscribe" and connection.state.way != "private":
            self.streams.begin(connection, texts, now)

    def _call(self, connection: Connection, request: Params, operation: str, args: list[Any], now: int) -> None:
        """Carries out a request about orders."""
        subscriber: Subscriber = connection.state
        account, number = subscriber.account, str(request.get("reqId") or "")
        about: dict[str, Any] = {"reqId": number, "retCode": 0, "retMsg": "OK", "op": operation, "data": {}}
        about |= {"retExtInfo": {}, "connId": _id(connection)}
        headers: dict[str, str] = {}
        try:
            params = args[0] if args and isinstance(args[0], dict) else {}
            self._check_call(subscriber, request, operation, now)
            assert account is not None
            name = f"order/{operation.removeprefix('order.')}"
            headers = self.limits.spend(account.number, name, now, category=params.get("category"))
            if operation in BATCHES:
                about["data"], codes = self.trading.batch(account, params, now, BATCHES[operation])
                about["retExtInfo"] = {"list": codes}
            else:
                about["data"] = self.trading.handlers[operation](account, params, now)
        except Refused as refused:
            about |= {"retCode": refused.code, "retMsg": refused.text}
            headers = refused.headers or headers
        connection.say({**about, "header": {**headers, "Timenow": str(ms(now + self.skew))}})

    def _check_call(self, subscriber: Subscriber, request: Params, operation: str, now: int) -> None:
        """Raises Refused for a call that may not be carried out."""
        if operation not in self.trading.handlers and operation not in BATCHES:
            raise Refused(10404)
        if subscriber.account is None or not subscriber.account.can_trade:
            raise Refused(10005)
        if (number := str(request.get("reqId") or "")) in subscriber.requests and number:
            raise Refused(20006)
        subscriber.requests[number] = None
        header = request.get("header")
        time = str((header if isinstance(header, dict) else {}).get("X-BAPI-TIMESTAMP", ""))
        window = str((header if isinstance(header, dict) else {}).get("X-BAPI-RECV-WINDOW") or "5000")
        shown = now + self.skew
        if not (time.isdigit() and window.isdigit()):
            raise Refused(10001, "timestamp invalid")
        if not shown - int(window) * MS <= int(time) * MS < shown + SECOND:
            raise Refused(10002)

    def tick(self, now: int) -> None:
        self.streams.tick(now)
        if self._second == now // SECOND:
            return
        self._second = now // SECOND
        for connection in list(self.streams.connections.values()):
            if now - connection.state.heard >= IDLE_NS:
                connection.close(1000, "idle")


def _id(connection: Connection) -> str:
    return f"c{connection.id:08d}"


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = read_json(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise Refused(10001, "Request parameter error.")
    return found

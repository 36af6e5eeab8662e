"""BitMEX in front of a simulated exchange: routes, keys, signatures, limits.

Implements the API of the last years of the venue, which closed on 2026-09-23. Sources in the modules of each part.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.bitmex.account import AccountData
from onetape.exchange.bitmex.limits import Limits, TooMany
from onetape.exchange.bitmex.public import PublicData
from onetape.exchange.bitmex.rows import Params
from onetape.exchange.bitmex.streams import LOCKED, Streams, Subscriber
from onetape.exchange.bitmex.trading import Trading
from onetape.exchange.bitmex.wire import Refused, iso
from onetape.exchange.bitmex.words import BitmexWords
from onetape.exchange.dialect import Connection, Reply, Request, Streamed, fields
from onetape.exchange.exchange import SimExchange
from onetape.model.json_text import read_json
from onetape.model.time import MS, SECOND
from onetape.venues.bitmex.signing import SOCKET_PATH, signature

__all__ = ["Bitmex"]

ROOT: Final = "/api/v1"
MESSAGES_A_SECOND: Final = 20
WELCOME: Final = "Welcome to the BitMEX Realtime API."

Public = Callable[[Params, int], Any]
Signed = Callable[[SimAccount, Params, int], Any]


class Bitmex(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = BitmexWords
    streams: Streams

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.public = PublicData(exchange)
        self.trading = Trading(exchange, self.public)
        self.data = AccountData(exchange, self.public)
        self.streams = Streams(exchange, self.public, self.data)
        self.limits = Limits(limits)
        self._open = self._public_routes()
        self._signed = self._signed_routes()

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}{SOCKET_PATH}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        headers: dict[str, str] = {}
        try:
            account = self._account(request, now)
            path = request.path.removeprefix(ROOT) if request.path.startswith(ROOT) else ""
            key = (request.method, path)
            who = request.peer if account is None else f"account {account.number}"
            is_order = path.startswith("/order") and request.method != "GET" and key in self._signed
            headers = self.limits.spend(who, has_key=account is not None, is_order=is_order, now=now)
            params = self._params(request)
            if handler := self._open.get(key):
                return Reply.json(handler(params, now), 200, headers)
            private = self._signed.get(key)
            if private is None:
                raise Refused("Not Found", status=404)
            if account is None:
                raise Refused("Authorization Required", status=401)
            if is_order and not (account.can_trade and self._may_trade(request)):
                raise Refused("Access Denied", status=403)
            return Reply.json(private(account, params, now), 200, headers)
        except TooMany as refused:
            return Reply.json(refused.body(), refused.status, refused.headers)
        except Refused as refused:
            return Reply.json(refused.body(), refused.status, headers)

    @staticmethod
    def _params(request: Request) -> Params:
        """Returns the parameters of query and body, JSON or form; the body's takes precedence."""
        found: Params = dict(fields(request.query))
        body = request.body.strip()
        if not body:
            return found
        if body[:1] in (b"{", b"["):
            try:
                said = read_json(body)
            except msgspec.DecodeError:
                raise Refused("Invalid body") from None
            if not isinstance(said, dict):
                raise Refused("Invalid body")
            return {**found, **said}
        return {**found, **fields(body.decode("utf-8", "replace"))}

    def _account(self, request: Request, now: int) -> SimAccount | None:
        """Returns the account of the key; a key that is sent is checked on public paths, too. Raises Refused."""
        headers = request.headers
        if "api-key" not in headers:
            return None
        target = request.path + (f"?{request.query}" if request.query else "")
        return self._authenticated(
            headers["api-key"],
            headers.get("api-expires", ""),
            headers.get("api-signature", ""),
            (request.method, target, request.body),
            now,
        )

    def _may_trade(self, request: Request) -> bool:
        key = self.exchange.accounts.keys.get(request.headers.get("api-key", ""))
        return key is not None and key.can_trade

    def _authenticated(
        self, key: str, expires: str, signed_as: str, signed: tuple[str, str, bytes], now: int
    ) -> SimAccount:
        account, api_key = self.exchange.accounts.by_key.get(key), self.exchange.accounts.keys.get(key)
        if account is None or api_key is None:
            raise Refused("Invalid API Key.", status=401)
        verb, target, body = signed
        wanted = signature(api_key.secret, verb, target, expires, body)
        if not hmac.compare_digest(wanted.encode(), signed_as.lower().encode()):
            raise Refused("Signature not valid.", status=401)
        until = int(expires) if expires.isascii() and expires.isdigit() else 0
        now += self.skew
        if until * SECOND <= now:
            raise Refused(
                "This request has expired - `expires` is in the past. Current time: {}", now // SECOND, status=401
            )
        return account

    # --- routes -----------------------------------------------------------------------------------

    def _public_routes(self) -> dict[tuple[str, str], Public]:
        public = self.public
        routes: dict[str, Public] = {
            **dict.fromkeys(("", "/"), self._about),
            "/wallet/assets": lambda _p, _n: public.assets(),
            "/instrument": public.instruments,
            "/instrument/active": lambda _p, now: public.active(now),
            "/instrument/indices": lambda _p, now: public.index_rows(now),
            "/instrument/activeAndIndices": lambda _p, n: public.active(n) + public.index_rows(n),
            "/orderBook/L2": public.book,
            "/trade": lambda p, _n: public.trades(p),
            "/trade/bucketed": public.bins,
            "/quote": public.quote_table,
            "/funding": lambda p, _n: public.fundings(p),
        }
        return {("GET", path): handler for path, handler in routes.items()}

    def _about(self, _params: Params, now: int) -> dict[str, Any]:
        return {"name": "BitMEX API", "version": "2.0.0", "timestamp": (now + self.skew) // MS}

    def _signed_routes(self) -> dict[tuple[str, str], Signed]:
        trading, data = self.trading, self.data
        return {
            ("GET", "/order"): lambda a, p, _n: trading.orders(a, p),
            ("POST", "/order"): trading.place,
            ("PUT", "/order"): trading.amend,
            ("DELETE", "/order"): trading.cancel,
            ("POST", "/order/bulk"): trading.bulk,
            ("DELETE", "/order/all"): trading.cancel_all,
            ("POST", "/order/cancelAllAfter"): trading.cancel_all_after,
            ("GET", "/position"): data.positions,
            ("POST", "/position/leverage"): data.set_leverage,
            ("POST", "/position/isolate"): data.isolate,
            ("GET", "/execution"): lambda a, p, _n: data.executions(a, p, trades_only=False),
            ("GET", "/execution/tradeHistory"): lambda a, p, _n: data.executions(a, p, trades_only=True),
            ("GET", "/user/margin"): data.margin,
            ("GET", "/user/wallet"): data.wallet,
            ("GET", "/user/walletHistory"): lambda a, p, _n: data.wallet_history(a, p),
            ("GET", "/user"): lambda a, _p, now: data.user(a, now),
            ("GET", "/apiKey"): lambda a, _p, _n: data.api_keys(a),
        }

    # --- WebSocket --------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        """Accepts keys in the headers of the handshake, or in its query."""
        if connection.path.rstrip("/") != SOCKET_PATH:
            return False
        connection.state = Subscriber()
        connection.say(
            {
                "info": WELCOME,
                "version": "2.0.0",
                "timestamp": iso(now),
                "docs": "https://www.bitmex.com/app/wsAPI",
                "limit": {"remaining": 39},
            }
        )
        query = fields(connection.query)
        headers = connection.headers if "api-key" in connection.headers else query
        if "api-key" in headers:
            args = [headers["api-key"], headers.get("api-expires", ""), headers.get("api-signature", "")]
            if not self._log_in(connection, args, None, now):
                return True
        if topics := [t for t in query.get("subscribe", "").split(",") if t]:
            self._subscribe(connection, topics, {"op": "subscribe", "args": topics}, now)
        return True

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        subscriber: Subscriber = connection.state
        if subscriber.second != now // SECOND:
            subscriber.second, subscriber.messages = now // SECOND, 0
        subscriber.messages += 1
        if subscriber.messages > MESSAGES_A_SECOND and self.limits.is_on:
            connection.close(1008, "Rate limit exceeded")
            return
        if data.strip() == b"ping":
            connection.send(b"pong")
            return
        try:
            request = read_json(data)
            op, args = request["op"], request.get("args", [])
        except (msgspec.DecodeError, TypeError, KeyError, AttributeError):
            self._fail(connection, 400, "Unrecognized request.", None)
            return
        args = args if isinstance(args, list) else [args]
        match op:
            case "ping":
                connection.send(b"pong")
            case "subscribe":
                self._subscribe(connection, [str(each) for each in args], request, now)
            case "unsubscribe":
                for topic in (str(each) for each in args):
                    was = self.streams.unsubscribe(connection, topic)
                    if was:
                        connection.say({"success": True, "unsubscribe": topic, "request": request})
                    else:
                        why = f"Not subscribed to this topic: {topic}"
                        self._fail(connection, 400, why, request)
            case "authKeyExpires" | "authKey":
                self._log_in(connection, [str(each) for each in args], request, now)
            case "cancelAllAfter":
                self._dead_man(connection, args, request, now)
            case _:
                self._fail(connection, 400, f"Unknown or unsupported op: {op}", request)

    @staticmethod
    def _fail(connection: Connection, status: int, why: str, request: Any) -> None:
        connection.say({"status": status, "error": why, "meta": {}, "request": request})

    def _subscribe(self, connection: Connection, topics: list[str], request: Any, now: int) -> None:
        """Sends all answers first, in order, then the partials."""
        begun = []
        for topic in topics:
            if why := self.streams.subscribe(connection, topic, now):
                status = 401 if why == LOCKED else 400
                self._fail(connection, status, why, request)
            else:
                connection.say({"success": True, "subscribe": topic, "request": request})
                begun.append(topic)
        for topic in begun:
            self.streams.partial(connection, topic, now)

    def _log_in(self, connection: Connection, args: list[str], request: Any, now: int) -> bool:
        try:
            if len(args) != 3:
                raise Refused("Authorization Required", status=401)
            signed = ("GET", SOCKET_PATH, b"")
            account = self._authenticated(args[0], args[1], args[2], signed, now)
        except Refused as refused:
            self._fail(connection, refused.status, refused.text, request)
            if request is None:  # keys in the handshake: if they are refused, there is no connection
                connection.close(1008, refused.text)
            return False
        connection.state.account = account
        if request is not None:
            connection.say({"success": True, "request": request})
        return True

    def _dead_man(self, connection: Connection, args: list[Any], request: Any, now: int) -> None:
        account = connection.state.account
        if account is None:
            self._fail(connection, 401, "Authorization Required", request)
            return
        try:
            params = {"timeout": args[0] if args else None}
            said = self.trading.cancel_all_after(account, params, now)
        except Refused as refused:
            self._fail(connection, refused.status, refused.text, request)
            return
        connection.say({**said, "request": request})

    def tick(self, now: int) -> None:
        """Does nothing: the exchange itself settles funding and expiries."""

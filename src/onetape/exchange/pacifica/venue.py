"""Pacifica in front of a simulated exchange: routes, envelopes, the WebSocket's calls.

Perpetuals margined in USDC. Source: docs.pacifica.fi (2026), pacifica-fi/python-sdk and pacifica-mcp, ccxt 4.5.90;
docs/reference/pacifica.md names the source of each line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.dialect import Connection, Reply, Request, Streamed, fields
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import CONFIG
from onetape.exchange.pacifica.access import PATHS, Access, Params
from onetape.exchange.pacifica.account import AccountData
from onetape.exchange.pacifica.limits import Limits
from onetape.exchange.pacifica.owner import Owner
from onetape.exchange.pacifica.public import PublicData, Query
from onetape.exchange.pacifica.streams import Streams, Subscriber
from onetape.exchange.pacifica.trading import ACTIONS, BATCH_MAX, Trading
from onetape.exchange.pacifica.wire import Refused, envelope, meant, ms
from onetape.exchange.pacifica.words import PacificaWords
from onetape.model.json_text import read_json
from onetape.model.time import MS, SECOND

__all__ = ["Pacifica"]

ROOT: Final = "/api/v1/"
SOCKET: Final = "/ws"
SILENT_NS: Final = 60 * SECOND  # a client silent for this long is disconnected
# "Create limit order", "Batch order": some 200 ms; random for a batch (ccxt quotes 100 to 300 ms).
NO_BUMP, ORDER_BUMP, BATCH_BUMP = (0, 0), (200 * MS, 200 * MS), (50 * MS, 100 * MS)
CONNECTIONS_MAX: Final = 300  # per address
LIFE_NS: Final = 24 * 3600 * SECOND
BY_SOCKET: Final = frozenset(
    {"create_order", "create_market_order", "edit_order", "cancel_order", "cancel_all_orders", "batch_orders"}
)
CANCELS: Final = frozenset({"orders/cancel", "orders/stop/cancel"})  # answered without `data`

Public = Callable[[Query, int], Any]
Owned = Callable[[SimAccount, Query, int], Any]


class Pacifica(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does. balances: of a new wallet."""

    vocabulary = PacificaWords
    streams: Streams

    def __init__(self, exchange: SimExchange, *, limits: bool = True, balances: dict[str, str]) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.access = Access(exchange, balances)
        self.public = PublicData(exchange)
        self.data = AccountData(exchange, self.public)
        self.trading = Trading(exchange, self.public)
        self.owner = Owner(exchange, self.access)
        self.streams = Streams(exchange, self.public, self.data, self.access)
        self._handlers = {**self.trading.handlers, **self.owner.handlers}
        self._open = self._public_routes()
        self._owned = self._account_routes()
        self._second = 0

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}{SOCKET}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        headers: dict[str, str] = {}
        try:
            path = request.path.removeprefix(ROOT) if request.path.startswith(ROOT) else "/"
            left = self._spend(request.headers, request.peer, path, now)
            headers = {"ratelimit": f'"credits";r={left["r"]};t={left["t"]}'}
            return Reply.json(self._answer(request, path, now), 200, headers)
        except Refused as refused:
            return Reply.json(refused.body(), refused.status, {**headers, **refused.headers})

    def _spend(self, headers: dict[str, str], peer: str, path: str, now: int) -> dict[str, Any]:
        """Charges the main account of a request's API config key, or its address. Raises Refused."""
        name = headers.get("pf-api-key", "")
        if not name:
            return self.limits.spend(peer, path, now, has_key=False)
        key = self.exchange.accounts.keys.get(name)
        if key is None or key.kind != CONFIG:
            raise Refused("Invalid API key", 403)
        return self.limits.spend(key.account.parent or key.account.key, path, now, has_key=True)

    def _answer(self, request: Request, path: str, now: int) -> dict[str, Any]:
        if request.method == "POST":
            done = self._post(path, _object(request.body), now)
            return {"success": True} if path in CANCELS else envelope(done)
        query = fields(request.query)
        found: Any = None
        if request.method == "GET" and path in self._open:
            found = self._open[path](query, now)
        elif request.method == "GET" and path in self._owned:
            found = self._owned[path](self.access.account_at(query.get("account")), query, now)
        else:
            raise Refused("Not Found", 404)
        return found if isinstance(found, dict) and "success" in found else envelope(found)

    def _post(self, path: str, body: Params, now: int) -> Any:
        if path == "orders/batch":
            return self._batch(body, now)
        if path == "account/subaccount/create":
            return self.owner.create_subaccount(body, now + self.skew)
        if path not in PATHS:
            raise Refused("Not Found", 404)
        found = self._carry_out(PATHS[path], body, now)
        if path.startswith("orders/") and "order_id" in found:  # answers by REST have no other fields
            return None if "cancel" in path else {"order_id": found["order_id"]}
        return found

    def _carry_out(self, operation: str, body: Params, now: int) -> Any:
        account = self.access.signed_by(operation, body, now + self.skew)
        if not account.can_trade:
            raise Refused("Trading disabled", 38)
        return self._handlers[operation](account, body, now)

    def _batch(self, body: Params, now: int) -> dict[str, Any]:
        """Carries out the actions of a batch one after another."""
        actions = body.get("actions")
        if not isinstance(actions, list) or not 1 <= len(actions) <= BATCH_MAX:
            raise Refused
        results: list[dict[str, Any]] = []
        for action in actions:
            try:
                data = action.get("data") if isinstance(action, dict) else None
                if not isinstance(data, dict):
                    raise Refused
                found = self._carry_out(meant(ACTIONS, action.get("type")), data, now)
                about = {
                    name: value for name, value in found.items() if name in ("client_order_id", "symbol") and value
                }
                results.append({"success": True, "order_id": found.get("order_id"), "error": None, **about})
            except Refused as refused:
                results.append({"success": False, "order_id": None, "error": refused.text})
        return {"results": results}

    def speed_bump(self, path: str, data: bytes) -> tuple[int, int]:
        """Returns the minimum and maximum delay of a request, ns: only orders that may take are delayed. path: "" for a
        message by WebSocket."""
        try:
            body = _object(data)
        except Refused:
            return NO_BUMP
        operation = PATHS.get(path.removeprefix(ROOT), "batch_orders" if path == f"{ROOT}orders/batch" else "")
        if not path:
            params = body.get("params")
            operation, body = next(iter(params.items()), ("", {})) if isinstance(params, dict) else ("", {})
        if not isinstance(body, dict):
            return NO_BUMP
        if operation == "batch_orders":
            actions = body.get("actions")
            actions = [each for each in actions if isinstance(each, dict)] if isinstance(actions, list) else []
            is_slow = any(_may_take(ACTIONS.get(str(each.get("type")), ""), each.get("data")) for each in actions)
            return BATCH_BUMP if is_slow else NO_BUMP
        return ORDER_BUMP if _may_take(operation, body) else NO_BUMP

    # --- routes -----------------------------------------------------------------------------------

    def _public_routes(self) -> dict[str, Public]:
        public = self.public
        return {
            "info": lambda _q, _n: public.info(),
            "spot_assets": lambda _q, _n: public.spot_assets(),
            "info/prices": lambda _q, now: public.prices(now + self.skew),
            "book": lambda q, now: public.book(
                public.at(q.get("symbol")), public.level(q.get("agg_level")), now + self.skew
            ),
            "trades": lambda q, _n: public.trades(public.at(q.get("symbol"))),
            "kline": lambda q, _n: public.candles(q),
            "kline/mark": lambda q, _n: public.candles(q, is_mark=True),
            "funding_rate/history": lambda q, _n: public.fundings(q),
            "orders/history_by_id": lambda q, _n: self.data.events_of(q),
        }

    def _account_routes(self) -> dict[str, Owned]:
        data, public = self.data, self.public
        return {
            "account": lambda a, _q, now: data.info(a, now),
            "account/settings": lambda a, _q, _n: data.settings(a),
            "account/balance/history": lambda a, q, _n: data.ledger(a, q),
            "account/builder_codes/approvals": lambda _a, _q, _n: [],
            "positions": lambda a, _q, _n: envelope(data.positions(a), last_order_id=public.last_id),
            "orders": lambda a, _q, _n: data.open_orders(a),
            "orders/history": lambda a, q, _n: data.order_history(a, q),
            "trades/history": lambda a, q, _n: data.trades(a, q),
            "funding/history": lambda a, q, _n: data.fundings(a, q),
        }

    # --- WebSocket --------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        if connection.path.rstrip("/") != SOCKET:
            return False
        of_address = sum(each.peer == connection.peer for each in self.streams.connections.values())
        if self.limits.is_on and of_address >= CONNECTIONS_MAX:
            return False
        connection.state = Subscriber(now)
        self.streams.connections[connection.id] = connection
        return True

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        connection.state.heard = now
        try:
            request = _object(data)
        except Refused as refused:
            connection.say({"code": 400, "err": refused.text, "t": ms(now + self.skew)})
            return
        params = request.get("params")
        match request.get("method"):
            case "ping":
                connection.say({"channel": "pong"})
            case "subscribe":
                self.streams.subscribe(connection, params, now)
            case "unsubscribe":
                self.streams.unsubscribe(connection, params)
            case _:
                self._call(connection, request.get("id"), params, now)

    def _call(self, connection: Connection, number: object, params: object, now: int) -> None:
        """Handles `{"id": .., "params": {operation: body}}`."""
        operation, body = next(iter(params.items()), ("", None)) if isinstance(params, dict) else ("", None)
        answer: dict[str, Any] = {"id": number, "type": operation, "t": ms(now + self.skew)}
        try:
            if operation not in BY_SOCKET or not isinstance(body, dict):
                raise Refused
            left = self._spend(connection.headers, connection.peer, operation, now)
            if "pf-api-key" in connection.headers:
                answer["rl"] = left
            if operation == "batch_orders":
                found = self._batch(body, now)
            else:
                found = self._carry_out(operation, body, now)
                if "order_id" in found:
                    found = {"I": found["client_order_id"], "i": found["order_id"], "s": found["symbol"]}
            connection.say({**answer, "code": 200, "data": found})
        except Refused as refused:
            connection.say({**answer, "code": refused.socket_code, "err": refused.text})

    def tick(self, now: int) -> None:
        self.streams.tick(now)
        if self._second == now // SECOND:
            return
        self._second = now // SECOND
        for connection in list(self.streams.connections.values()):
            if now - connection.state.heard >= SILENT_NS or now - connection.opened >= LIFE_NS:
                connection.close(1000, "idle" if now - connection.state.heard >= SILENT_NS else "24 hours")


def _may_take(operation: str, body: Any) -> bool:
    is_open = isinstance(body, dict) and body.get("tif") in ("GTC", "IOC")
    return operation == "create_market_order" or (operation == "create_order" and is_open)


def _object(data: bytes) -> Params:
    try:
        found = read_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise Refused
    return found

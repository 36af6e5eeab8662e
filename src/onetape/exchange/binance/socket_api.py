"""Binance: the WebSocket API: orders and account queries as calls; that of USD-M is on /ws-fapi/v1.

    {"id": 1, "method": "order.place", "params": {...}}
    {"id": 1, "status": 200, "result": {...}, "rateLimits": [...]}

Each request is signed over its sorted parameters, or the connection is logged on once with an Ed25519 key and its
requests only carry a timestamp. Weights are a separate pool, orders are counted together with those of REST. The API
has neither lists of open orders nor cancel-all. Source: "WebSocket API General Info" and "Websocket API" of the USD-M
documentation, read 2026-11. A logon with another kind of key is refused as on spot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from onetape.exchange.binance.access import Access
from onetape.exchange.binance.limits import Limits
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.dialect import Connection, Streamed, fields
from onetape.exchange.keys import ED25519, HMAC, RSA, ApiKey
from onetape.model.json_text import read_json
from onetape.venues.binance.signing import socket_payload

__all__ = ["Api", "Session", "SocketApi", "SocketRouted"]

PATH: Final = "/ws-fapi/v1"
HANDSHAKE_WEIGHT: Final = 5
LIFE_NS: Final = 24 * 3600 * 1_000_000_000
ID_MAX: Final = 36
# -4056 is INVALID_API_KEY_TYPE in the error codes of USD-M, "Invalid api key type." (read 2026-11); the text about a
# logon is that of spot.
NO_LOGON: Final = {HMAC: "HMAC_SHA256 API key is not supported.", RSA: "RSA API key is not supported."}

_PUBLIC: Final = {
    "ping": "/fapi/v1/ping",
    "time": "/fapi/v1/time",
    "depth": "/fapi/v1/depth",
    "ticker.price": "/fapi/v1/ticker/price",
    "ticker.book": "/fapi/v1/ticker/bookTicker",
}
_SIGNED: Final = {
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
}
_KEYED: Final = {"userDataStream.start": "POST", "userDataStream.ping": "PUT", "userDataStream.stop": "DELETE"}
_COUNTED: Final = dict.fromkeys(("order.place", "order.modify", "algoOrder.place"), 1)
_WEIGHTS: Final = {"session.logon": 2, "session.status": 2, "session.logout": 2, "userDataStream.start": 5}


@dataclass(frozen=True, slots=True)
class Api:
    """The methods of a market. public: -> path; signed: -> method and path of REST; keyed: -> method of REST's listen
    key. counted: methods -> orders for which they count. weights: of others, by default 1. handshake: a connection's
    weight."""

    public: Mapping[str, str]
    signed: Mapping[str, tuple[str, str]]
    keyed: Mapping[str, str]
    counted: Mapping[str, int]
    weights: Mapping[str, int]
    handshake: int


USDM: Final = Api(_PUBLIC, _SIGNED, _KEYED, _COUNTED, _WEIGHTS, HANDSHAKE_WEIGHT)


@dataclass(slots=True)
class Session:
    """The session of one connection. key: of the logon, None before it."""

    since: int  # ns UTC
    shows_limits: bool
    key: ApiKey | None = None
    authorized: int = 0

    @property
    def api_key(self) -> str:
        return "" if self.key is None else self.key.key


Routes = Mapping[tuple[str, str], Callable[..., Any]]


class Requests(Protocol):
    """The HTTP handlers by method and path: public, for a key, and signed."""

    skew: int
    limits: Limits
    access: Access
    open: Routes
    keyed: Routes
    signed: Routes


class SocketApi:
    """Serves the calls of one exchange with the same functions as REST."""

    def __init__(self, venue: Requests, api: Api = USDM) -> None:
        self.venue, self.api = venue, api
        self.connections: dict[int, Connection] = {}
        # Methods about the connection itself; a venue may add others.
        self.about: dict[str, Callable[[Connection, dict[str, str], int], Any]] = {
            "session.logon": self._logon,
            "session.status": lambda connection, _p, now: self._status(connection.state, now),
            "session.logout": self._logout,
        }

    def connect(self, connection: Connection, now: int) -> bool:
        """Charges the weight of a connection; returns False if its address has exceeded the limit."""
        try:
            self._spend(connection, self.api.handshake, now)
        except Refused:
            return False
        shown = fields(connection.query).get("returnRateLimits", "true")
        connection.state = Session(now, shown != "false")
        self.connections[connection.id] = connection
        return True

    def disconnect(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)

    def tick(self, now: int) -> None:
        for connection in list(self.connections.values()):
            if now - connection.opened >= LIFE_NS:
                connection.close(1000, "24 hours")

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        session: Session = connection.state
        try:
            request = read_json(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        number, method, params = _parts(request)
        if method is None or params is None:
            connection.say({"id": number, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON Request"}})
            return
        shows = params.get("returnRateLimits", session.shows_limits) not in (False, "false")
        text = {name: _text(value) for name, value in params.items()}
        said: dict[str, Any] = {"id": number, "status": 200}
        key: ApiKey | None = None
        try:
            self._spend(connection, self._weight(method, text), now)
            key, said["result"] = self._answer(connection, method, text, now)
        except Refused as refused:
            said = {"id": number, "status": refused.status, "error": self._error(refused, now)}
        except (ValueError, TypeError):
            bad = {"code": -1130, "msg": "Data sent is not valid."}
            said = {"id": number, "status": 400, "error": bad}
        if shows:
            said["rateLimits"] = self._limits(connection, method, key, now)
        connection.say(said)

    def _answer(
        self, connection: Connection, method: str, params: dict[str, str], now: int
    ) -> tuple[ApiKey | None, Any]:
        """Returns (the key whose orders were counted, the result). Raises Refused."""
        venue = self.venue
        if path := self.api.public.get(method):
            return None, venue.open["GET", path](params, now)
        if about := self.about.get(method):
            return None, about(connection, params, now)
        if verb := self.api.keyed.get(method):
            key = self._key(connection, params)
            account = venue.access.account(key)
            return None, venue.keyed[verb, "/fapi/v1/listenKey"](account, params, now)
        route = self.api.signed.get(method)
        if route is None:
            raise Refused(-1020, text=f"Invalid method: {method}")
        key = self.signed_by(connection, params, now)
        account = venue.access.account(key)
        if method in self.api.counted:
            venue.access.check_trade(key)
            venue.limits.spend_orders(account.number, self.api.counted[method], now)
        elif route[0] != "GET":
            venue.access.check_trade(key)
        found = venue.signed[route](account, params, now)
        if method == "order.modify":
            del found["pair"]  # documented only for the answer over HTTP
        return key if method in self.api.counted else None, found

    def signed_by(self, connection: Connection, params: dict[str, str], now: int) -> ApiKey:
        """Returns the key of a request, after checking its signature and time. Raises Refused."""
        venue, session = self.venue, connection.state
        key = self._key(connection, params)
        if session.key is None or "signature" in params or "apiKey" in params:
            # Also after a logon a request may carry another key, and must then be signed with it.
            venue.access.check_payload(socket_payload(params), params.pop("signature", ""), key)
        venue.access.check_time(params, now + venue.skew)
        return key

    def _key(self, connection: Connection, params: dict[str, str]) -> ApiKey:
        return self.venue.access.key(params.get("apiKey", connection.state.api_key), connection.peer)

    # --- the session ------------------------------------------------------------------------------

    def _logon(self, connection: Connection, params: dict[str, str], now: int) -> Any:
        access, session = self.venue.access, connection.state
        key = access.key(params.get("apiKey", ""), connection.peer)
        if key.kind != ED25519:
            raise Refused(-4056, text=NO_LOGON[key.kind])
        access.check_payload(socket_payload(params), params.get("signature", ""), key)
        access.check_time(params, now + self.venue.skew)
        session.key, session.authorized = key, now
        return self._status(session, now)

    def _logout(self, connection: Connection, _params: dict[str, str], now: int) -> Any:
        session = connection.state
        session.key, session.authorized = None, 0
        return self._status(session, now)

    def _status(self, session: Session, now: int) -> dict[str, Any]:
        return {
            "apiKey": session.api_key or None,
            "authorizedSince": ms(session.authorized) if session.key else None,
            "connectedSince": ms(session.since),
            "returnRateLimits": session.shows_limits,
            "serverTime": ms(now + self.venue.skew),
        }

    # --- limits -----------------------------------------------------------------------------------

    def _spend(self, connection: Connection, weight: int, now: int) -> None:
        self.venue.limits.spend(_pool(connection), weight, now)

    def _weight(self, method: str, params: dict[str, str]) -> int:
        weight_of = self.venue.limits.terms.weight_of
        if path := self.api.public.get(method):
            return weight_of("GET", path, params)
        if route := self.api.signed.get(method):
            return weight_of(*route, params)
        return self.api.weights.get(method, 1)

    def _error(self, refused: Refused, now: int) -> dict[str, Any]:
        said: dict[str, Any] = {"code": refused.code, "msg": refused.text}
        if refused.data is not None:
            said["data"] = refused.data
        if refused.status in (418, 429):
            server = ms(now + self.venue.skew)
            wait = refused.wait * 1000 or 60_000 - server % 60_000
            said["data"] = {"serverTime": server, "retryAfter": server + wait}
        return said

    def _limits(self, connection: Connection, method: str, key: ApiKey | None, now: int) -> list[dict[str, Any]]:
        limits = self.venue.limits
        rows: list[dict[str, Any]] = []
        if method in self.api.counted:
            used = limits.used_orders(key.account.number, now) if key is not None else {}
            rows = [
                {**row, "count": used.get(seconds, 0)}
                for (seconds, _), row in zip(limits.terms.orders, limits.announced_orders(), strict=True)
            ]
        rows.append({**limits.announced_weight(), "count": limits.used(_pool(connection), now)})
        return rows


class SocketRouted(Streamed):
    """A base of `Dialect`s that have the WebSocket API at one path, and streams at the others."""

    socket_path = PATH
    socket_api: SocketApi

    def _is_api(self, connection: Connection) -> bool:
        return connection.path.rstrip("/") == self.socket_path

    def connect(self, connection: Connection, now: int) -> bool:
        is_api = self._is_api(connection)
        return self.socket_api.connect(connection, now) if is_api else super().connect(connection, now)

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        (self.socket_api if self._is_api(connection) else self.streams).message(connection, data, now)

    def disconnect(self, connection: Connection) -> None:
        self.socket_api.disconnect(connection)
        super().disconnect(connection)

    def tick(self, now: int) -> None:
        super().tick(now)
        self.socket_api.tick(now)


def _pool(connection: Connection) -> str:
    return f"ws:{connection.peer}"


def _parts(request: Any) -> tuple[Any, str | None, dict[str, Any] | None]:
    """Returns (id, method, params); None for malformed parts."""
    if not isinstance(request, dict):
        return None, None, None
    number = request.get("id")
    is_id = number is None or isinstance(number, (int, str))
    if not is_id or len(str(number)) > ID_MAX:
        return None, None, None
    method, params = request.get("method"), request.get("params")
    return (
        number,
        method if isinstance(method, str) else None,
        {} if params is None else dict(params) if isinstance(params, dict) else None,
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

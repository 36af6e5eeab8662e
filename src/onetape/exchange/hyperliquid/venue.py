"""Hyperliquid in front of a simulated exchange: `/info`, `/exchange`, the WebSocket.

Perpetuals margined in USDC, and spot. Source: hyperliquid.gitbook.io (2026), hyperliquid-python-sdk 0.24.0, ccxt
4.5.90; docs/reference/hyperliquid.md names the source of each line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from onetape.exchange.dialect import Connection, Reply, Request, Streamed
from onetape.exchange.exchange import SimExchange
from onetape.exchange.hyperliquid.access import Access, Params
from onetape.exchange.hyperliquid.account import AccountData
from onetape.exchange.hyperliquid.limits import Limits, weight_of
from onetape.exchange.hyperliquid.public import PublicData
from onetape.exchange.hyperliquid.streams import Streams, Subscriber
from onetape.exchange.hyperliquid.trading import CANCELS, Trading
from onetape.exchange.hyperliquid.wire import Refused, ms
from onetape.exchange.hyperliquid.words import HyperliquidWords
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.venues.columns import columns

__all__ = ["Hyperliquid"]

SOCKET: Final = "/ws"
SILENT_NS: Final = 60 * SECOND  # a client to which nothing was sent for this long is disconnected
CONNECTIONS_MAX: Final = 100  # per address; newer copies of the page say 10, a live answer 15
BATCH: Final = 40  # orders of a batch for one more weight
# Actions of the venue that are not simulated: they are refused by name.
UNSUPPORTED: Final = frozenset(
    columns(
        "twapOrder twapCancel sendAsset agentEnableDexAbstraction tokenDelegate cDeposit cWithdraw "
        "convertToMultiSigUser multiSig spotDeploy perpDeploy"
    )
)

Public = Callable[[Params, int], Any]


class Hyperliquid(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = HyperliquidWords
    streams: Streams

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.access = Access(exchange)
        self.public = public = PublicData(exchange)
        self.data = AccountData(exchange, public, self.access, self.limits)
        self.trading = Trading(exchange, public, self.access, self.limits)
        self.streams = Streams(exchange, public, self.data, self.access)
        self._open: dict[str, Public] = {
            "meta": lambda _t, _n: public.meta(),
            "metaAndAssetCtxs": lambda _t, n: [public.meta(), public.contexts(n)],
            "spotMeta": lambda _t, _n: public.spot_meta(),
            "spotMetaAndAssetCtxs": lambda _t, n: [public.spot_meta(), public.spot_contexts(n)],
            "perpDexs": lambda _t, _n: [None],
            "allMids": lambda _t, _n: public.mids(),
            "l2Book": public.book,
            "recentTrades": lambda t, _n: public.trades(t),
            "candleSnapshot": lambda t, _n: public.candles(t),
            "fundingHistory": lambda t, _n: public.fundings(t),
            "exchangeStatus": lambda _t, n: {"time": ms(n + self.skew), "specialStatuses": None},
        }
        self._second = 0

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}{SOCKET}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        try:
            self.limits.check(request.peer, now)
            if request.method != "POST" or request.path not in ("/info", "/exchange"):
                raise Refused("Not Found" if request.method == "POST" else "Method Not Allowed", 404)
            body = _object(request.body)
            if request.path == "/info":
                return Reply.json(self._info(body, request.peer, now))
            return Reply.json(self._exchange(body, request.peer, now))
        except Refused as refused:
            return _reply(refused)

    def _info(self, terms: Params, peer: str, now: int) -> Any:
        kind = terms.get("type")
        if kind in self._open:
            found = self._open[kind](terms, now)
        elif kind in self.data.queries:
            account = self.access.account_at(terms.get("user"))
            found = self.data.queries[kind](account, terms, now + self.skew)
        else:
            raise Refused
        self.limits.spend(peer, weight_of(kind, found), now)
        return found

    def _exchange(self, body: Params, peer: str, now: int) -> dict[str, Any]:
        """Carries out an action. Raises Refused for a malformed one."""
        action: Any = body.get("action")
        kind = action.get("type") if isinstance(action, dict) else None
        count = _count(action) if isinstance(action, dict) else 1
        self.limits.spend(peer, 1 + count // BATCH, now)
        try:
            if kind in UNSUPPORTED:
                raise Refused(f"{kind} is not available in this simulation")
            if kind not in self.trading.handlers:
                raise Refused
            account = self.access.signed_by(body, now + self.skew)
            self.limits.enter(account, count, now, cancels=kind in CANCELS)
            return {"status": "ok", "response": self.trading.handlers[kind](account, action, now)}
        except Refused as refused:
            if refused.status != 200:
                raise
            return {"status": "err", "response": refused.text}

    # --- WebSocket --------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        if connection.path != SOCKET:
            return False
        connection.state = Subscriber(now)
        if (
            self.limits.is_on
            and sum(c.peer == connection.peer for c in self.streams.connections.values()) >= CONNECTIONS_MAX
        ):
            connection.close(1008, f"Cannot open more than {CONNECTIONS_MAX} connections.")
            return True
        self.streams.connections[connection.id] = connection
        return True

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        connection.state.sent = now  # it is answered
        try:
            request = _object(data)
        except Refused:
            connection.say(
                {"channel": "error", "data": f"Error parsing JSON into valid websocket request: {data[:200]!r}"}
            )
            return
        match request.get("method"):
            case "ping":
                connection.say({"channel": "pong"})
            case "subscribe":
                self.streams.subscribe(connection, request.get("subscription"), now)
            case "unsubscribe":
                self.streams.unsubscribe(connection, request.get("subscription"))
            case "post" if type(request.get("id")) is int and isinstance(request.get("request"), dict):
                self._post(connection, request["id"], request["request"], now)
            case _:
                connection.say({"channel": "error", "data": f"Invalid request: {request}"[:300]})

    def _post(self, connection: Connection, number: int, request: Params, now: int) -> None:
        """Handles a REST request by WebSocket."""
        kind, payload = request.get("type"), request.get("payload")
        try:
            self.limits.check(connection.peer, now)
            if kind not in ("action", "info") or not isinstance(payload, dict):
                raise Refused
            if kind == "info":
                found = {"type": payload.get("type"), "data": self._info(payload, connection.peer, now)}
            else:
                found = self._exchange(payload, connection.peer, now)
            response = {"type": kind, "payload": found}
        except Refused as refused:
            response = {"type": "error", "payload": f"{refused.status}: {refused.text}"}
        connection.say({"channel": "post", "data": {"id": number, "response": response}})

    def tick(self, now: int) -> None:
        self.streams.tick(now)
        if self._second == now // SECOND:
            return
        self._second = now // SECOND
        for connection in list(self.streams.connections.values()):
            if now - connection.state.sent >= SILENT_NS:
                connection.close(1000, "Inactive")


def _reply(refused: Refused) -> Reply:
    """Returns a refusal as an answer: of orders and the like in JSON, of malformed requests as text."""
    if refused.status == 200:
        return Reply.json({"status": "err", "response": refused.text})
    return Reply(refused.status, refused.text.encode())


def _count(action: Params) -> int:
    """Returns how many requests of the wallet an action is."""
    rows: list[Any] = next(
        (action[name] for name in ("orders", "cancels", "modifies") if isinstance(action.get(name), list)), []
    )
    return max(len(rows), 1)


def _object(data: bytes) -> Params:
    try:
        found = read_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise Refused
    return found

"""Reads Binance's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.dialect import Connection, Reply, encode
from onetape.exchange.fault_facts import Said, StreamMessage, VenueWords, is_number, object_of, ways
from onetape.orders.outcome import Outcome
from onetape.venues.binance.errors import ERRORS, TEXT_503

__all__ = ["BinanceWords"]

WAYS: Final = ways("""
place: POST order | POST batchOrders | POST algoOrder | WS order.place | WS algoOrder.place
amend: PUT order | PUT batchOrders | WS order.modify
cancel: DELETE order | DELETE batchOrders | DELETE allOpenOrders | DELETE algoOrder | DELETE algoOpenOrders
cancel: WS order.cancel | WS algoOrder.cancel
query: GET order | GET openOrder | GET algoOrder | GET allOrders | GET allAlgoOrders | WS order.status
open_orders: GET openOrders
open_conditionals: GET openAlgoOrders
fills: GET userTrades
positions: GET positionRisk | WS account.position | WS v2/account.position
balances: GET balance | GET account | WS account.balance | WS v2/account.balance
balances: WS account.status | WS v2/account.status
modes: GET dual
stream_key: POST listenKey
keep_key: PUT listenKey
dead_man: POST countdownCancelAll
time: GET time
instruments: GET exchangeInfo
""")
STATUSES: Final = {-1003: 429, -1007: 408, -1015: 429, -2014: 401, -2015: 401}


class BinanceWords(VenueWords):
    ways = WAYS
    errors = ERRORS
    key = "x-mbx-apikey"
    has_listen_keys = True

    def socket_query(self, connection: Connection, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
        name, named, account = super().socket_query(connection, request)
        key = named.get("apiKey") or getattr(connection.state, "api_key", "")
        return name, named, account or self.name_of(key)

    def account_of(self, connection: Connection) -> str:
        streams: Any = getattr(self.dialect, "streams")  # noqa: B009
        listen_key = streams.listen_keys.get(getattr(connection.state, "listen_key", ""))
        return listen_key.account.name if listen_key else ""

    def expire_keys(self, account: str, now: int, *, silent: bool) -> None:
        streams: Any = getattr(self.dialect, "streams")  # noqa: B009
        for key, listen_key in list(streams.listen_keys.items()):
            if account in ("", listen_key.account.name):
                if silent:
                    streams.private.pop(key, None)
                streams.expire_key(key, now)

    def message_facts(self, message: bytes) -> StreamMessage:
        value = object_of(message)
        inner = value.get("data", value)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        inner = inner if isinstance(inner, dict) else {}
        event, order = str(inner.get("e", "")), inner.get("o")
        about = order.get("s") if isinstance(order, dict) else inner.get("s")
        return StreamMessage(event, (str(about),) if about else (), event.isupper() or event == "listenKeyExpired")

    def named_error(self, name: str, status: int) -> Said | None:
        if name in TEXT_503:
            reply = Reply.json({"code": -1000, "msg": name}, status or 503)
            return reply, TEXT_503[name] is Outcome.AMBIGUOUS
        row = ERRORS.get(int(name)) if is_number(name) else None
        if row is None:
            return None
        code = int(row.code)
        usual = STATUSES.get(code, 400)
        said = {"code": code, "msg": str(row.text).replace("{}", "0")}
        reply = Reply.json(said, status or usual, {"Retry-After": "1"} if usual == 429 else {})
        return reply, row.outcome is Outcome.AMBIGUOUS

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        error = {"code": said["code"], "msg": said["msg"]}
        return encode({"id": request["id"], "status": status, "error": error})

    def ambiguous(self) -> list[str]:
        return super().ambiguous() + [text for text, outcome in TEXT_503.items() if outcome is Outcome.AMBIGUOUS]

    def maintenance(self) -> Reply:
        return Reply.json({"code": -1016, "msg": "This service is no longer available."}, 503)

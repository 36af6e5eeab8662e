"""Reads the requests and messages of Binance spot for fault rules, and writes its errors."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.binance.wire import ms
from onetape.exchange.binance.words import STATUSES, BinanceWords
from onetape.exchange.dialect import Connection, Reply
from onetape.exchange.fault_facts import Said, StreamMessage, is_number, object_of, ways
from onetape.orders.outcome import Outcome
from onetape.venues.binance_spot.errors import ERRORS

__all__ = ["SpotWords"]

WAYS: Final = ways("""
place: POST order | POST cancelReplace | POST oco | POST oto | POST otoco | WS order.place | WS order.cancelReplace
place: WS orderList.place.oco | WS orderList.place.oto | WS orderList.place.otoco
amend: PUT keepPriority | WS order.amend.keepPriority
cancel: DELETE order | DELETE openOrders | DELETE orderList | WS order.cancel | WS openOrders.cancelAll
cancel: WS orderList.cancel
query: GET order | GET allOrders | WS order.status | WS allOrders
open_orders: GET openOrders | WS openOrders.status
fills: GET myTrades | WS myTrades
balances: GET account | WS account.status
time: GET time | WS time
instruments: GET exchangeInfo | WS exchangeInfo
stream_key: WS userDataStream.subscribe.signature | WS userDataStream.subscribe
""")
_PRIVATE: Final = frozenset({"executionReport", "outboundAccountPosition", "balanceUpdate", "listStatus"})


class SpotWords(BinanceWords):
    ways = WAYS
    errors = ERRORS

    def account_of(self, connection: Connection) -> str:
        found: str = self.dialect.user.account_of(connection)  # type: ignore[attr-defined]
        return found

    def expire_keys(self, account: str, now: int, *, silent: bool) -> None:
        """Ends subscriptions, which are in the place of listen keys."""
        self.dialect.user.end(account, now, silent=silent)  # type: ignore[attr-defined]

    def farewell(self, connection: Connection, now: int) -> dict[str, Any]:
        event = {"e": "serverShutdown", "E": ms(now)}
        if connection.path.rstrip("/").startswith("/ws-api"):
            return {"event": event}
        return {"stream": "!serverShutdown", "data": event} if connection.state.combined else event

    def message_facts(self, message: bytes) -> StreamMessage:
        value = object_of(message)
        inner = value.get("event", value.get("data", value))
        inner = inner[0] if isinstance(inner, list) and inner else inner
        inner = inner if isinstance(inner, dict) else {}
        # The best bid and ask are the only message with neither kind nor answer in it.
        event, about = str(inner.get("e", "bookTicker" if "B" in inner else "")), inner.get("s")
        return StreamMessage(event, (str(about),) if about else (), event in _PRIVATE)

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(int(name) if is_number(name) else name)
        if row is None:
            return None
        code = row.code if isinstance(row.code, int) else -1013 if name.startswith("Filter") else -2010
        usual = STATUSES.get(code, 400)
        said = {"code": code, "msg": str(row.text).replace("{}", "0")}
        reply = Reply.json(said, status or usual, {"Retry-After": "1"} if usual == 429 else {})
        return reply, row.outcome is Outcome.AMBIGUOUS

    def ambiguous(self) -> list[str]:
        return [str(row.code) for row in self.errors.values() if row.outcome is Outcome.AMBIGUOUS]

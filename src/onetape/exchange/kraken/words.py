"""Reads Kraken's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Reply, encode
from onetape.exchange.fault_facts import Said, VenueWords, ways
from onetape.orders.outcome import Outcome
from onetape.venues.kraken.errors import ERRORS

__all__ = ["KrakenWords"]

WAYS: Final = ways("""
place: POST AddOrder | POST AddOrderBatch | WS add_order | WS batch_add
amend: POST AmendOrder | POST EditOrder | WS amend_order | WS edit_order
cancel: POST CancelOrder | POST CancelOrderBatch | POST CancelAll | WS cancel_order | WS batch_cancel | WS cancel_all
dead_man: POST CancelAllOrdersAfter | WS cancel_all_orders_after
open_orders: POST OpenOrders
query: POST QueryOrders | POST ClosedOrders
fills: POST TradesHistory | POST QueryTrades
balances: POST Balance | POST BalanceEx | POST TradeBalance
positions: POST OpenPositions
stream_key: POST GetWebSocketsToken
time: GET Time | POST Time
instruments: GET AssetPairs | POST AssetPairs
""")


class KrakenWords(VenueWords):
    ways = WAYS
    errors = ERRORS

    def spellings(self, symbol: str) -> frozenset[str]:
        at, names = self.index(symbol), self.public.names
        unslashed = self.exchange.instruments[at].raw_symbol.replace("/", "")
        return super().spellings(symbol) | {names.symbols[at], names.wsnames[at], unslashed}

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(name)
        return None if row is None else (Reply.json({"error": [name]}, status or 200), row.outcome is Outcome.AMBIGUOUS)

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        text = said["error"][0]
        return encode({"method": request["method"], "req_id": request["req_id"], "success": False, "error": text})

    def maintenance(self) -> Reply:
        return Reply.json({"error": ["EService:Unavailable"]})

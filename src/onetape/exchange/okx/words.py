"""Reads OKX's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.dialect import Connection, Reply, encode
from onetape.exchange.fault_facts import Said, StreamMessage, VenueWords, is_number, object_of, ways
from onetape.exchange.okx.streams import PRIVATE
from onetape.exchange.okx.wire import Refused, said
from onetape.orders.outcome import Outcome
from onetape.venues.okx.errors import ERRORS

__all__ = ["OkxWords"]

WAYS: Final = ways("""
place: POST trade/order | POST trade/batch-orders | POST trade/order-algo | WS order | WS batch-orders
amend: POST trade/amend-order | POST trade/amend-batch-orders | WS amend-order | WS batch-amend-orders
cancel: POST trade/cancel-order | POST trade/cancel-batch-orders | POST trade/cancel-algos | WS cancel-order
cancel: WS batch-cancel-orders
open_orders: GET trade/orders-pending
open_conditionals: GET trade/orders-algo-pending
query: GET trade/order | GET trade/order-algo
fills: GET trade/fills | GET trade/fills-history
positions: GET account/positions
balances: GET account/balance
moves: GET account/bills | GET account/bills-archive
modes: GET account/config
instruments: GET public/instruments
time: GET public/time
transfer: POST asset/transfer
transfers: GET asset/bills
dead_man: POST trade/cancel-all-after
leverage: POST account/set-leverage
""")


class OkxWords(VenueWords):
    ways = WAYS
    errors = ERRORS
    root = "/api/v5/"
    key = "ok-access-key"

    def socket_query(self, connection: Connection, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
        args = request.get("args")
        named = args[0] if isinstance(args, list) and args and isinstance(args[0], dict) else {}
        return str(request.get("op") or ""), named, self.account_of(connection)

    def event_of(self, value: Mapping[str, Any]) -> tuple[str, bool]:
        arg = value.get("arg")
        name = str(arg.get("channel") or "") if isinstance(arg, dict) and "data" in value else ""
        return name, name in PRIVATE

    def message_facts(self, message: bytes) -> StreamMessage:
        value = object_of(message)
        rows = value.get("data")
        named = [value.get("arg"), *(rows if isinstance(rows, list) else ())]
        found = {str(row["instId"]): None for row in named if isinstance(row, dict) and "instId" in row}
        return StreamMessage(self.event_of(value)[0], tuple(found), self.event_of(value)[1])

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(int(name) if is_number(name) else name)
        if row is None:
            return None
        code = row.code if isinstance(row.code, int) else 51000
        return Reply.json(said([], code=code, text=str(row.text)), status or 200), row.outcome is Outcome.AMBIGUOUS

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        about = {"id": request.get("id", ""), "op": request.get("op"), "data": []}
        return encode({**about, "code": said["code"], "msg": said["msg"]})

    def maintenance(self) -> Reply:
        refused = Refused(50001)
        return Reply.json(said([], code=refused.code, text=refused.text), 503)

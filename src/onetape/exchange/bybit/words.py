"""Reads Bybit's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.bybit.streams import PRIVATE
from onetape.exchange.bybit.wire import Refused, said
from onetape.exchange.dialect import Connection, Reply, encode
from onetape.exchange.fault_facts import Said, VenueWords, is_number, ways
from onetape.orders.outcome import Outcome
from onetape.venues.bybit.errors import ERRORS

__all__ = ["BybitWords"]

WAYS: Final = ways("""
place: POST order/create | POST order/create-batch | WS order.create | WS order.create-batch
amend: POST order/amend | POST order/amend-batch | WS order.amend | WS order.amend-batch
cancel: POST order/cancel | POST order/cancel-all | POST order/cancel-batch | WS order.cancel | WS order.cancel-batch
open_orders: GET order/realtime
query: GET order/history
fills: GET execution/list
positions: GET position/list
balances: GET account/wallet-balance
moves: GET account/transaction-log
modes: GET user/query-api
instruments: GET market/instruments-info
time: GET market/time
transfer: POST asset/transfer/inter-transfer
transfers: GET asset/transfer/query-inter-transfer-list
""")


class BybitWords(VenueWords):
    ways = WAYS
    errors = ERRORS
    root = "/v5/"
    key = "x-bapi-api-key"

    def socket_query(self, connection: Connection, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
        args = request.get("args")
        named = args[0] if isinstance(args, list) and args and isinstance(args[0], dict) else {}
        return str(request.get("op") or ""), named, self.account_of(connection)

    def event_of(self, value: Mapping[str, Any]) -> tuple[str, bool]:
        name = str(value.get("topic") or "").partition(".")[0]
        return name, name in PRIVATE

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(int(name) if is_number(name) else name)
        if row is None:
            return None
        code = row.code if isinstance(row.code, int) else 10001
        answer = said(self.exchange.now, {}, code=code, text=str(row.text))
        return Reply.json(answer, status or 200), row.outcome is Outcome.AMBIGUOUS

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        about = {"reqId": request.get("reqId", ""), "op": request.get("op"), "data": {}, "retExtInfo": {}, "header": {}}
        return encode({**about, "retCode": said["retCode"], "retMsg": said["retMsg"]})

    def maintenance(self) -> Reply:
        refused = Refused(10016, "Internal Server Error.")
        return Reply.json(said(self.exchange.now, {}, code=refused.code, text=refused.text), 503)

"""Reads Pacifica's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.dialect import Connection, Reply, Request, encode, fields
from onetape.exchange.fault_facts import Said, VenueWords, is_number, object_of, ways
from onetape.exchange.pacifica.wire import Refused
from onetape.orders.outcome import Outcome
from onetape.venues.pacifica.errors import ERRORS

__all__ = ["PacificaWords"]

WAYS: Final = ways("""
place: POST orders/create | POST orders/create_market | POST orders/stop/create | POST orders/batch
place: POST positions/tpsl | WS create_order | WS create_market_order | WS batch_orders
amend: POST orders/edit | WS edit_order
cancel: POST orders/cancel | POST orders/stop/cancel | POST orders/cancel_all | WS cancel_order | WS cancel_all_orders
open_orders: GET orders
query: GET orders/history | GET orders/history_by_id
fills: GET trades/history
positions: GET positions
balances: GET account
modes: GET account/settings
instruments: GET info
""")


class PacificaWords(VenueWords):
    ways = WAYS
    errors = ERRORS
    root = "/api/v1/"

    def caller_key(self, request: Request) -> str:
        return str(fields(request.query).get("account") or object_of(request.body).get("account", ""))

    def socket_query(self, connection: Connection, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
        name, named, account = super().socket_query(connection, request)
        if name:
            return name, named, account
        name, body = next(iter(named.items()), ("", {}))  # the operation is the only parameter
        named = body if isinstance(body, dict) else {}
        return name, named, self.name_of(named.get("account"))

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(int(name) if is_number(name) else name)
        if row is None:
            return None
        refused = Refused(str(row.text), row.code if isinstance(row.code, int) else 400)
        return Reply.json(refused.body(), status or refused.status), row.outcome is Outcome.AMBIGUOUS

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        (operation,) = request["params"]
        code = 420 if status == 422 else status
        return encode({"id": request["id"], "type": operation, "code": code, "err": said["error"]})

    def maintenance(self) -> Reply:
        return Reply.json(Refused("Service Unavailable", 503).body(), 503)

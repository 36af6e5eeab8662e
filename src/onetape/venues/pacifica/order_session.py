"""Orders of Pacifica by WebSocket: the signed body of a REST request under the name of its operation.

Stops have no operation there and use REST. An error may come without the id of its request. Source: docs.pacifica.fi
"Websocket, Trading operations", as of 2026-07.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

from onetape.model.json_text import read_json
from onetape.orders.calls import ORDER_PURPOSES, Call
from onetape.orders.outcome import Answer
from onetape.venues.order_entry import Reply
from onetape.venues.pacifica.market import PING
from onetape.venues.pacifica.trading import TYPES, PacificaProtocol

__all__ = ["PacificaOrderSession"]

_TYPES: Final = frozenset({"create_order", "create_market_order", "cancel_order", "edit_order"})
_TENTH: Final = 10  # credits are reported in tenths


class PacificaOrderSession:
    """Implements `EntryDialect`."""

    ping = PING

    def __init__(self, protocol: PacificaProtocol) -> None:
        self._protocol = protocol
        self.handshake = protocol.headers
        self.limits: dict[str, tuple[int, int]] = {}
        self.headers: dict[str, str] = {}

    def hello(self, number: int, now: int) -> bytes | None:
        return None

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        if call.purpose not in ORDER_PURPOSES or TYPES[call.target] not in _TYPES:
            return None
        body = msgspec.Raw(self._protocol.body(call, now))
        return msgspec.json.encode({"id": str(UUID(int=number)), "params": {TYPES[call.target]: body}})

    def read(self, message: bytes, now: int) -> Reply | str:
        value: dict[str, Any] = read_json(message)
        if "id" not in value:
            if "err" in value or "error" in value:
                raise ValueError("an error without a request")
            return "" if value.get("channel") == "pong" else str(value.get("channel") or "no id")
        if isinstance(left := value.get("rl"), dict):
            used = (int(left["q"]) - int(left["r"])) // _TENTH
            self.limits["credits 1m"] = (used, int(left["q"]) // _TENTH)
        status = int(value["code"])
        return Reply(UUID(value["id"]).int, status == 200, value, status)

    def answer(self, call: Call, reply: Reply, now: int) -> Answer:
        if reply.is_done:
            return self._protocol.done(call, reply.value, now)
        return self._protocol.refused(call, reply.status, None, str(reply.value.get("err") or ""))

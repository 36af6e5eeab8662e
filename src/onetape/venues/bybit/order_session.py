"""Orders of Bybit by WebSocket (`/v5/trade`): the parameters of a REST request under the name of its operation.

A connection is opened by a signature; requests are not signed. Source: Bybit API documentation v5, "WebSocket Trade
Guideline", as of 2026-07.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onetape.model.json_text import read_json
from onetape.model.time import MS
from onetape.orders.calls import Call
from onetape.orders.outcome import Answer
from onetape.venues.bybit.market import PING
from onetape.venues.bybit.signing import WINDOW_MS, hello
from onetape.venues.bybit.trading import OPERATIONS, BybitProtocol
from onetape.venues.order_entry import Reply, json_of

__all__ = ["PATH", "BybitOrderSession"]

PATH: Final = "/v5/trade"


class BybitOrderSession:
    """Implements `EntryDialect`."""

    ping = PING
    handshake: Final[dict[str, str]] = {}

    def __init__(self, protocol: BybitProtocol) -> None:
        self._protocol = protocol
        self._hello = 0
        self.limits: dict[str, tuple[int, int]] = {}
        self.headers: dict[str, str] = {}

    def hello(self, number: int, now: int) -> bytes | None:
        self._hello = number
        return hello(self._protocol.key, self._protocol.secret, now, number)

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        if call.purpose not in OPERATIONS or call.terms is None:
            return None
        header = {"X-BAPI-TIMESTAMP": str(now // MS), "X-BAPI-RECV-WINDOW": str(WINDOW_MS)}
        operation = f"order.{OPERATIONS[call.purpose]}"
        return msgspec.json.encode(
            {"reqId": str(number), "header": header, "op": operation, "args": [msgspec.Raw(json_of(call.terms))]}
        )

    def read(self, message: bytes, now: int) -> Reply | str:
        value: dict[str, Any] = read_json(message)
        operation, code = str(value.get("op", "")), int(value.get("retCode", 0))
        if operation == "auth":  # the venue does not repeat its number
            return Reply(self._hello, not code, value.get("retMsg"), 200)
        if operation in ("pong", "ping"):
            return ""
        if not value.get("reqId"):
            if code:
                raise ValueError("an error without a request")
            return operation or "no id"
        limits = {name.lower(): text for name, text in (value.get("header") or {}).items()}
        if (most := limits.get("x-bapi-limit", "")).isdigit():
            self.limits["orders 1s"] = int(most) - int(limits["x-bapi-limit-status"]), int(most)
        return Reply(int(value["reqId"]), not code, value, code)

    def answer(self, call: Call, reply: Reply, now: int) -> Answer:
        if reply.is_done:
            return self._protocol.done(call, {"result": reply.value["data"]}, now)
        headers = {name.lower(): text for name, text in (reply.value.get("header") or {}).items()}
        return self._protocol.refused(call, reply.status, str(reply.value.get("retMsg") or ""), headers, now)

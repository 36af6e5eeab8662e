"""Orders of Hyperliquid by WebSocket: the signed body of a REST request, in a `post`.

Source: hyperliquid.gitbook.io "Websocket, Post requests", as of 2026-10.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onetape.model.json_text import read_json
from onetape.orders.calls import ORDER_PURPOSES, Call
from onetape.orders.outcome import Answer
from onetape.venues.hyperliquid.market import GREETING, PING
from onetape.venues.hyperliquid.trading import HyperliquidProtocol
from onetape.venues.order_entry import Reply

__all__ = ["HyperliquidOrderSession"]


class HyperliquidOrderSession:
    """Implements `EntryDialect`."""

    ping = PING
    handshake: Final[dict[str, str]] = {}

    def __init__(self, protocol: HyperliquidProtocol) -> None:
        self._protocol = protocol
        self.limits: dict[str, tuple[int, int]] = {}
        self.headers: dict[str, str] = {}

    def hello(self, number: int, now: int) -> bytes | None:
        return None

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        if call.purpose not in ORDER_PURPOSES:
            return None
        payload = msgspec.Raw(self._protocol.body(call, now))
        request = {"type": "action", "payload": payload}
        return msgspec.json.encode({"method": "post", "id": number, "request": request})

    def read(self, message: bytes, now: int) -> Reply | str:
        if message == GREETING:
            return ""
        value: dict[str, Any] = read_json(message)
        channel = str(value.get("channel") or "no channel")
        if channel == "error":
            raise ValueError("an error without a request")
        if channel != "post":
            return "" if channel == "pong" else channel
        response = value["data"]["response"]
        is_done = response["type"] == "action"
        return Reply(int(value["data"]["id"]), is_done, response["payload"], 200 if is_done else 0)

    def answer(self, call: Call, reply: Reply, now: int) -> Answer:
        if reply.is_done:
            return self._protocol.done(call, reply.value, now)
        text = str(reply.value)  # `HTTP status: text`
        status, _, rest = text.partition(":")
        number = status.split(" ")[0]
        return self._protocol.refused(call, int(number) if number.isdigit() else 0, rest.strip() or text)

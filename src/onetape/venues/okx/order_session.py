"""Orders of OKX by WebSocket (`/ws/v5/private`): the parameters of a REST request under the name of its operation, with
the number of the instrument instead of its name. Orders with a trigger go by REST.

A connection is opened by a signature; requests are not signed. Source: OKX API v5 documentation, "WebSocket, Place
order", as of 2026-07, and its change log of 2026-03-26 (`instIdCode`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onetape.model.json_text import read_json
from onetape.model.time import MS
from onetape.orders.calls import Call
from onetape.orders.outcome import Answer
from onetape.venues.okx.market import PING, PONG
from onetape.venues.okx.signing import WINDOW_MS, login
from onetape.venues.okx.trading import PATHS, OkxProtocol
from onetape.venues.order_entry import Reply

__all__ = ["PATH", "OkxOrderSession"]

PATH: Final = "/ws/v5/private"


class OkxOrderSession:
    """Implements `EntryDialect`."""

    ping = PING
    handshake: Final[dict[str, str]] = {}

    def __init__(self, protocol: OkxProtocol) -> None:
        self._protocol = protocol
        self._hello = 0
        self.limits: dict[str, tuple[int, int]] = {}
        self.headers: dict[str, str] = {}

    def hello(self, number: int, now: int) -> bytes | None:
        self._hello = number
        return login(self._protocol.key, self._protocol.secret, self._protocol.password, now)

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        key = call.subject
        if key is None or key.conditional or (call.purpose, False) not in PATHS or call.terms is None:
            return None
        code = self._protocol.number_of(key.symbol)
        if code is None:
            return None
        terms = {"instIdCode": code, **{name: value for name, value in call.terms.items() if name != "instId"}}
        operation = PATHS[call.purpose, False].removeprefix("trade/")
        request = {"id": str(number), "op": operation, "args": [terms], "expTime": str(now // MS + WINDOW_MS)}
        return msgspec.json.encode(request)

    def read(self, message: bytes, now: int) -> Reply | str:
        if message == PONG:
            return ""
        value: dict[str, Any] = read_json(message)
        match value.get("event"):
            case "login":
                return Reply(self._hello, True, value)
            case "error" if not value.get("id"):  # a refused login is not numbered
                return Reply(self._hello, False, value.get("msg"), int(value["code"]))
            case None if value.get("id"):
                return Reply(int(value["id"]), value["code"] == "0", value)
            case name:
                return str(name or "no id")

    def answer(self, call: Call, reply: Reply, now: int) -> Answer:
        return self._protocol.answer_of(call, reply.value, 200, now)

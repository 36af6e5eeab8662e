"""Orders of Binance by its WebSocket API.

With an Ed25519 key the session is opened once (`session.logon`) and requests carry no signature; with HMAC each request
is signed over its parameters sorted by name. Whole numbers are JSON numbers, decimals are text. Source: "WebSocket API
General Info" and "Trade" of the USD-M documentation, as of 2026-11. Open orders, cancel-all and the dead man's switch
exist by REST only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape._core import PlaceTerms
from onetape.model.json_text import read_json
from onetape.model.time import MS
from onetape.orders.calls import Call, Purpose
from onetape.orders.outcome import Answer
from onetape.venues.binance.instruments import ORDER_COUNT
from onetape.venues.binance.protocol import RECV_WINDOW_MS, BinanceProtocol
from onetape.venues.binance.signing import HmacSigner, socket_payload
from onetape.venues.order_entry import Reply

__all__ = ["PATH", "BinanceOrderSession", "Methods"]

Methods = Mapping[tuple[Purpose, str], str]  # purpose and path of a REST request -> method

PATH: Final = "/ws-fapi/v1"
_METHODS: Final[Methods] = {
    (Purpose.PLACE, "/fapi/v1/order"): "order.place",
    (Purpose.AMEND, "/fapi/v1/order"): "order.modify",
    (Purpose.CANCEL, "/fapi/v1/order"): "order.cancel",
    (Purpose.PLACE, "/fapi/v1/algoOrder"): "algoOrder.place",
    (Purpose.CANCEL, "/fapi/v1/algoOrder"): "algoOrder.cancel",
}
_WHOLE: Final = frozenset({"goodTillDate", "orderId", "algoId"})
_SPANS: Final = {"SECOND": "S", "MINUTE": "M", "HOUR": "H", "DAY": "D"}


class BinanceOrderSession:
    """Implements `EntryDialect`."""

    ping = b""
    handshake: Final[dict[str, str]] = {}

    def __init__(self, protocol: BinanceProtocol, methods: Methods = _METHODS) -> None:
        self._protocol, self._methods = protocol, methods
        self._signer = protocol.signer
        self.limits: dict[str, tuple[int, int]] = {}
        self.headers: dict[str, str] = {}

    def hello(self, number: int, now: int) -> bytes | None:
        if not self._signer.opens_session:
            return None
        params = self._stamp(now)
        params["signature"] = self._signer.sign(socket_payload(params))
        return self._encoded(number, "session.logon", params)

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        method, signer, terms = self._methods.get((call.purpose, call.target)), self._signer, call.terms
        if method is None:
            return None
        if isinstance(signer, HmacSigner) and isinstance(terms, PlaceTerms):
            return signer.socket_place(number, method, terms, self._stamp(now))
        params: dict[str, Any] = dict(terms or ())
        for name in _WHOLE.intersection(params):
            params[name] = int(params[name])
        if isinstance(signer, HmacSigner):
            return signer.socket_request(number, method, params, self._stamp(now))
        params["timestamp"], params["recvWindow"] = now // MS, RECV_WINDOW_MS
        return self._encoded(number, method, params)

    def _stamp(self, now: int) -> dict[str, Any]:
        """Returns the parameters that are added to a request and signed with it."""
        return {"apiKey": self._protocol.key, "recvWindow": RECV_WINDOW_MS, "timestamp": now // MS}

    @staticmethod
    def _encoded(number: int, method: str, params: dict[str, Any]) -> bytes:
        return msgspec.json.encode({"id": number, "method": method, "params": params})

    def read(self, message: bytes, now: int) -> Reply | str:
        value: dict[str, Any] = read_json(message)
        number = value.get("id")
        if number is None:
            if "error" in value:
                # The error about an unreadable request does not name the request.
                raise ValueError("an error without a request")
            return str(value.get("method") or value.get("event") or "no id")
        status = int(value["status"])
        for row in value.get("rateLimits") or ():
            span = f"{row['intervalNum']}{_SPANS.get(row['interval'], row['interval'])}"
            self.limits[f"{row['rateLimitType']} {span}"] = (int(row["count"]), int(row["limit"]))
            if row["rateLimitType"] == "ORDERS":  # these limits are shared with REST; weight is counted separately
                self.headers[f"{ORDER_COUNT}{span.lower()}"] = str(row["count"])
        if status == 200:
            return Reply(int(number), True, value["result"], status)
        error = value["error"]
        retry_after = (error.get("data") or {}).get("retryAfter", 0)  # a time in ms, for 418 and 429
        wait = max(0, int(retry_after) - now // MS)
        return Reply(int(number), False, error, status, -(-wait // 1000))

    def answer(self, call: Call, reply: Reply, now: int) -> Answer:
        headers = {"retry-after": str(reply.retry_after)} if reply.retry_after else {}
        return self._protocol.answer_of(call, reply.status, headers, reply.value, b"", now)

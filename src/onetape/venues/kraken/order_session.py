"""Orders of Kraken spot by WebSocket v2: `add_order`, `amend_order`, `cancel_order`.

Every request carries the connection's token. A token is valid only while a private subscription made with it exists, so
the session begins by subscribing to the quietest channel. Placements and amendments carry the same deadline as over
REST: after it they are never matched. Numbers are JSON numbers, written digit by digit. `batch_add` is not used: one
invalid order fails the whole batch, and the venue counts orders, not messages. Source: docs.kraken.com "WebSocket v2,
User Trading", read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.enums import OrderState
from onetape.model.time import SECOND
from onetape.orders.calls import Call, Purpose
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import OrderStatusReport
from onetape.venues.error_tables import unreadable
from onetape.venues.kraken.trading import KrakenSpotProtocol, rfc3339
from onetape.venues.kraken.wire import parse
from onetape.venues.order_entry import Reply

__all__ = ["KrakenOrderSession"]

_METHODS: Final = {Purpose.PLACE: "add_order", Purpose.AMEND: "amend_order", Purpose.CANCEL: "cancel_order"}
_NUMBERS: Final = frozenset({"order_qty", "limit_price"})
_SILENT: Final = frozenset({"heartbeat", "status", "balances"})


class KrakenOrderSession:
    """Implements `EntryDialect`. token: of GetWebSocketsToken, for one connection."""

    ping = b""
    handshake: Final[dict[str, str]] = {}

    def __init__(self, protocol: KrakenSpotProtocol, token: str) -> None:
        self._protocol = protocol
        self._token = token
        self.limits: dict[str, tuple[int, int]] = {}  # stays empty: the venue reports counts only with executions
        self.headers: dict[str, str] = {}

    def hello(self, number: int, now: int) -> bytes | None:
        params = {"channel": "balances", "snapshot": False, "token": self._token}
        return msgspec.json.encode({"method": "subscribe", "params": params, "req_id": number})

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        method, terms = _METHODS.get(call.purpose), call.terms or {}
        if method is None:
            return None
        match call.purpose:
            case Purpose.PLACE:
                params = self._order(call, terms)
            case Purpose.CANCEL:
                params = {"cl_ord_id": [terms["cl_ord_id"]]}
            case _:
                params = {name: _written(name, value) for name, value in terms.items() if name != "nonce"}
        params["token"] = self._token
        return msgspec.json.encode({"method": method, "params": params, "req_id": number})

    def _order(self, call: Call, terms: Mapping[str, str]) -> dict[str, Any]:
        """Converts REST parameters to the names of WebSocket v2."""
        assert call.subject is not None
        kind = terms["ordertype"]
        has_trigger = kind not in ("limit", "market")
        params: dict[str, Any] = {
            "order_type": kind,
            "side": terms["type"],
            "symbol": call.subject.symbol.partition(":")[2],
            "order_qty": msgspec.Raw(terms["volume"].encode()),
            "cl_ord_id": terms["cl_ord_id"],
            "fee_preference": "quote",
            "deadline": terms["deadline"],
        }
        if has_trigger:
            stop = msgspec.Raw(terms["price"].encode())
            params["triggers"] = {"reference": terms["trigger"], "price": stop}
        limit = terms.get("price2") if has_trigger else terms.get("price")
        if limit is not None:
            params["limit_price"] = msgspec.Raw(limit.encode())
            params["time_in_force"] = terms["timeinforce"].lower()
        if "expiretm" in terms:
            params["expire_time"] = rfc3339(int(terms["expiretm"]) * SECOND)
        if "post" in terms["oflags"].split(","):
            params["post_only"] = True
        if terms.get("reduce_only") == "true":
            params["reduce_only"] = True
        return params

    def read(self, message: bytes, now: int) -> Reply | str:
        value = parse(message)
        if "channel" in value:
            channel = str(value["channel"])
            return "" if channel in _SILENT else channel
        number = value.get("req_id")
        if number is None:
            if "error" in value:
                raise ValueError("an error without a request")
            return str(value.get("method") or "no id")
        is_done = value["success"]
        if not isinstance(is_done, bool):
            raise TypeError("success")
        return Reply(int(number), is_done, value.get("result") if is_done else value["error"])

    def answer(self, call: Call, reply: Reply, now: int) -> Answer:
        if not reply.is_done:
            return self._protocol.refused(call, str(reply.value))
        if call.purpose is not Purpose.PLACE:
            return Answer(Outcome.DONE)
        try:
            assert call.subject is not None
            venue_id = reply.value["order_id"]
        except MALFORMED as error:
            return unreadable(error, reply.status)
        key = call.subject
        row = OrderStatusReport(key.symbol, key.client_id, str(venue_id), OrderState.ACCEPTED, 0)
        return Answer(Outcome.DONE, (row,))


def _written(name: str, value: str) -> str | msgspec.Raw:
    return msgspec.Raw(value.encode()) if name in _NUMBERS else value

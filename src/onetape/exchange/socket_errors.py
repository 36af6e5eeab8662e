"""An error of a venue, as it is said over a WebSocket on which orders are sent."""

from __future__ import annotations

from typing import Any

import msgspec

from onetape.exchange.dialect import Reply, encode
from onetape.model.json_text import read_json

__all__ = ["socket_error"]


def socket_error(kind: str, reply: Reply, request: bytes) -> bytes | None:
    """The answer to a message that asked for something, out of what HTTP would have said; None
    where the venue has no such answer: nothing was asked, or the error is none of its own."""
    try:
        value: dict[str, Any] = read_json(request)
        said: dict[str, Any] = msgspec.json.decode(reply.body)
        match kind:
            case "binance-usdm":
                error = {"code": said["code"], "msg": said["msg"]}
                return encode({"id": value["id"], "status": reply.status, "error": error})
            case "kraken":
                return encode(
                    {"method": value["method"], "req_id": value["req_id"], "success": False, "error": said["error"][0]}
                )
            case _:
                return None
    except (msgspec.DecodeError, LookupError, TypeError):
        return None

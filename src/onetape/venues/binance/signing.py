"""How requests to Binance are signed: HMAC-SHA256 over exactly the bytes that are sent.

REST signs the query string and the form body, one after the other, as sent. The WebSocket API signs
the parameters sorted by name. Source: Binance documentation, "General Info" of USD-M futures and
"WebSocket API General Info", as of 2026-11.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

__all__ = ["hmac_hex", "socket_payload"]


def hmac_hex(secret: str, payload: bytes) -> str:
    """The hexadecimal HMAC-SHA256 of a payload."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def socket_payload(params: Mapping[str, object]) -> bytes:
    """What a request of the WebSocket API signs."""
    parts = [f"{name}={params[name]}" for name in sorted(params) if name != "signature"]
    return "&".join(parts).encode()

"""Signatures of Bybit v5: HMAC-SHA256 in lower-case hex over the time, the key, the window, and the query or body as it
is sent. A WebSocket is opened by a signature of its own. Source: Bybit API documentation v5, "Integration Guidance" and
"WebSocket Connect", as of 2026-07."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from onetape._core import HmacSha256
from onetape.model.time import MS, SECOND

__all__ = ["WINDOW_MS", "hello", "signed_headers"]

WINDOW_MS = 5000
_LOGIN_NS = 10 * SECOND  # for which an opening message is valid


@lru_cache(maxsize=64)
def _code(secret: str) -> HmacSha256:
    return HmacSha256(secret.encode())


def _sign(secret: str, text: bytes) -> str:
    return _code(secret).hex(text)


def signed_headers(key: str, secret: str, sent: bytes, now: int) -> dict[str, str]:
    """Returns the headers of a request. sent: its query without `?`, or its body."""
    time = str(now // MS)
    return {
        "X-BAPI-API-KEY": key,
        "X-BAPI-TIMESTAMP": time,
        "X-BAPI-RECV-WINDOW": str(WINDOW_MS),
        "X-BAPI-SIGN": _sign(secret, f"{time}{key}{WINDOW_MS}".encode() + sent),
    }


def hello(key: str, secret: str, now: int, number: int = 0) -> bytes:
    """Returns the message that opens a private WebSocket. number: of the request, 0: none."""
    until = (now + _LOGIN_NS) // MS
    signature = _sign(secret, f"GET/realtime{until}".encode())
    request = {"op": "auth", "args": [key, until, signature]}
    return msgspec.json.encode({"reqId": str(number), **request} if number else request)

"""Signatures of OKX v5: HMAC-SHA256 in base64 over the time, the method, the path with its query, and the body, as they
are sent. A WebSocket is opened by a signature over the time in seconds and a fixed path. Source: OKX API v5
documentation, "Making Requests, Signature" and "WebSocket, Login", as of 2026-07."""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from functools import lru_cache

import msgspec

from onetape.model.time import MS, SECOND, format_time

__all__ = ["WINDOW_MS", "login", "signature", "signed_headers"]

WINDOW_MS = 5000


def signature(secret: str, text: bytes) -> str:
    return b2a_base64(hmac.digest(secret.encode(), text, "sha256"), newline=False).decode()


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return format_time(second * SECOND)[:-1]


def signed_headers(key: str, secret: str, password: str, way: str, body: bytes, now: int) -> dict[str, str]:
    """Returns the headers of a request. way: its method and its path with the query."""
    time = f"{_second(now // SECOND)}.{now % SECOND // MS:03d}Z"
    return {
        "OK-ACCESS-KEY": key,
        "OK-ACCESS-SIGN": signature(secret, f"{time}{way}".encode() + body),
        "OK-ACCESS-TIMESTAMP": time,
        "OK-ACCESS-PASSPHRASE": password,
    }


def login(key: str, secret: str, password: str, now: int) -> bytes:
    """Returns the message that opens a private WebSocket."""
    time = str(now // SECOND)
    signed = signature(secret, f"{time}GET/users/self/verify".encode())
    account = {"apiKey": key, "passphrase": password, "timestamp": time, "sign": signed}
    return msgspec.json.encode({"op": "login", "args": [account]})

"""Signatures of requests to BitMEX: hex HMAC-SHA256 over verb, path with query, expiry and body.

All of it as sent: escaped characters stay escaped, and the body is its bytes. The realtime socket signs as a GET of
/realtime, without its query. Source: BitMEX documentation, "Authenticating with an API Key", with three examples that
the tests check.
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["SOCKET_PATH", "signature"]

SOCKET_PATH = "/realtime"


def signature(secret: str, verb: str, target: str, expires: int | str, body: bytes = b"") -> str:
    """Returns the signature. `target` is path and query as sent, `expires` seconds UTC."""
    payload = f"{verb}{target}{expires}".encode() + body
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()

"""Signatures of requests to Kraken's private REST paths.

API-Sign is the base64 of HMAC-SHA512, keyed with the decoded secret, over the path and the SHA-256 of the nonce
followed by the body as sent. Source: docs.kraken.com, "Spot REST Authentication", as of 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

__all__ = ["api_sign"]


def api_sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """Returns the signature. path: from `/0/private/` on. Raises ValueError for a secret that is not base64."""
    try:
        key = base64.b64decode(secret, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the API secret is not base64: {error}") from None
    digest = hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.new(key, path.encode() + digest, hashlib.sha512).digest()).decode()

"""Signatures of requests to Binance: HMAC-SHA256 or Ed25519, over exactly the bytes that are sent.

REST signs the query string and the form body, concatenated, as sent. The WebSocket API signs the parameters sorted by
name. The signature of an Ed25519 key is base64 and is percent-encoded in a query. Source: Binance documentation,
"General Info" of USD-M futures and "WebSocket API General Info", read 2026-11. That futures' REST takes Ed25519 is from
the venue's own SDK; its documentation names HMAC and RSA only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qsl, quote

from onetape import _core
from onetape.model.errors import BadConfig
from onetape.venues.query_text import query_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Ed25519Signer", "HmacSigner", "Signer", "sent_terms", "signer_of", "socket_payload"]

PEM: Final = "-----BEGIN "


class Signer(Protocol):
    """Signs with a key that cannot be read from it."""

    opens_session: bool  # can open a WebSocket session, in which requests need no signature

    def sign(self, payload: bytes) -> str:
        """Returns the signature as a parameter's value, not percent-encoded."""
        ...

    def signed_query(self, params: Mapping[str, str], tail: str) -> str:
        """Returns `a=1&b=2&<tail>&signature=...`: parameters percent-encoded if needed, a tail that does not
        need it."""
        ...


class HmacSigner:
    """Signs with HMAC. The core builds and signs the query: building it in Python takes longer than signing."""

    opens_session = False

    def __init__(self, secret: str) -> None:
        key = _core.HmacSha256(secret.encode())
        self.sign = key.hex
        self.signed_query = key.signed_query
        self.socket_request = key.socket_request
        self.socket_place = key.socket_place


class Ed25519Signer:
    opens_session = True

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self._key.sign(payload)).decode()

    def signed_query(self, params: Mapping[str, str], tail: str) -> str:
        text = query_text(params)
        query = f"{text}&{tail}" if text else tail
        return f"{query}&signature={quote(self.sign(query.encode()), safe='')}"


def signer_of(secret: str) -> Signer:
    """Returns the signer of a secret: a PEM text is a private Ed25519 key, any other text an HMAC secret. Raises
    BadConfig for a PEM of another kind."""
    if not secret.lstrip().startswith(PEM):
        return HmacSigner(secret)
    secret = secret.replace("\\n", "\n")  # environment variables often contain it so
    # Imported only where such a key is used: it costs 30 ms of every start.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(secret.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message may quote the key.
        raise BadConfig(
            "the PEM text is not a readable private key",
            location="secret",
            todo="give an unencrypted PKCS #8 file of an Ed25519 key",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadConfig(
            "the private key is not an Ed25519 key",
            location="secret",
            todo="make one with: openssl genpkey -algorithm ed25519",
        )
    return Ed25519Signer(key)


def socket_payload(params: Mapping[str, object]) -> bytes:
    """Returns the text that a request of the WebSocket API signs."""
    parts = [f"{name}={params[name]}" for name in sorted(params) if name != "signature"]
    return "&".join(parts).encode()


def sent_terms(target: str) -> dict[str, str]:
    """Returns the parameters of a signed request."""
    return dict(parse_qsl(target.partition("?")[2]))

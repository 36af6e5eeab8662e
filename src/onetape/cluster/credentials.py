"""Read a NATS credentials file, and sign a server's challenge with its key.

nats-py does the same by the package nkeys, which needs PyNaCl and a compiler; cryptography is here anyway.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from onetape.model.errors import BadConfig

__all__ = ["Credentials"]

_PARTS: Final = re.compile(r"-----BEGIN (NATS USER JWT|USER NKEY SEED)-----\s*(\S+)\s*-{3,}")
_SEED_BYTES: Final = 36  # two of the kind, the key's 32, two of a checksum
_PLACE: Final = "[cluster] credentials"


class Credentials:
    """A user of a NATS server. Raises BadConfig for text that is no credentials file; the text is never shown."""

    def __init__(self, text: str) -> None:
        parts: dict[str, str] = dict(_PARTS.findall(text))
        if len(parts) != 2:
            raise BadConfig("not a NATS credentials file", location=_PLACE, todo="give the .creds file of nsc")
        self._jwt = parts["NATS USER JWT"].encode()
        try:
            seed = base64.b32decode(parts["USER NKEY SEED"] + "=" * (-len(parts["USER NKEY SEED"]) % 8))
        except binascii.Error:
            seed = b""
        if len(seed) != _SEED_BYTES or (seed[0] & 0xF8, seed[0] & 7, seed[1] & 0xF8) != (0x90, 5, 0):
            raise BadConfig("its key is not the seed of a NATS user", location=_PLACE, todo="give an unchanged file")
        if binascii.crc_hqx(seed[:-2], 0) != int.from_bytes(seed[-2:], "little"):
            raise BadConfig("its key was changed: the checksum differs", location=_PLACE, todo="give an unchanged file")
        self._key = Ed25519PrivateKey.from_private_bytes(seed[2:-2])

    def jwt(self) -> bytes:
        return self._jwt

    def sign(self, nonce: str) -> bytes:
        """Returns the signature of a server's challenge, base64."""
        return base64.b64encode(self._key.sign(nonce.encode()))

    def __repr__(self) -> str:
        return "***"

"""API keys of a simulated exchange: which account, what they may do, and how they sign.

An account has the key it was opened with, and as many more as are made for it. Secrets follow from
the seed and the key's label: only labels and public keys are ever written down.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import Final

from onetape._core import HmacKey
from onetape.model.errors import BadConfig
from onetape.sim.account import SimAccount

__all__ = ["ED25519", "HMAC", "KINDS", "ApiKey", "key_pair", "new_key", "public_raw", "signed_by"]

HMAC: Final = "hmac"
ED25519: Final = "ed25519"
KINDS: Final = (HMAC, ED25519)
# What stands before the 32 bytes of a key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410).
_PRIVATE: Final = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC: Final = bytes.fromhex("302a300506032b6570032100")


@dataclass(slots=True, eq=False)
class ApiKey:
    """secret: of HMAC; of Ed25519 the private key as clients read it, where the exchange made it.
    addresses: empty, or the only ones that it works from."""

    key: str
    account: SimAccount
    label: str
    kind: str = HMAC
    secret: str = field(default="", repr=False)
    can_trade: bool = True
    can_withdraw: bool = False
    addresses: tuple[str, ...] = ()
    _code: HmacKey | None = field(default=None, repr=False)
    _public: bytes = b""
    _seed: bytes = field(default=b"", repr=False)

    @property
    def code(self) -> HmacKey:
        """What HMAC-SHA256 signatures are checked with."""
        if self._code is None:
            self._code = HmacKey(self.secret.encode())
        return self._code

    @property
    def public(self) -> bytes:
        """The 32 bytes that Ed25519 signatures are checked with."""
        if not self._public:
            self._public = _public_of(self._seed)
        return self._public

    def is_allowed(self, address: str) -> bool:
        return not self.addresses or address in self.addresses


def key_pair(seed: int, name: str, *, length: int = 64) -> tuple[str, str]:
    """A key and a secret of letters and digits, the same for the same seed: what protects nothing
    but play money can be known beforehand."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    state = zlib.crc32(f"{seed}/{name}".encode()) or 1
    letters = []
    for _ in range(2 * length):
        # xorshift32: no secret, only spread.
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        letters.append(alphabet[state % len(alphabet)])
    return "".join(letters[:length]), "".join(letters[length:])


def new_key(
    keyring: tuple[int, str], account: SimAccount, label: str, *, kind: str, public: str = ""
) -> ApiKey:
    """Another key of an account, the same for the same seed and label. public: PEM of a key that
    its owner made, of Ed25519 only. Raises BadConfig."""
    seed, venue = keyring
    name = f"{venue}/{account.name}/{label}"
    key, secret = key_pair(seed, name)
    if kind == HMAC:
        return ApiKey(key, account, label, kind, secret)
    if public:
        return ApiKey(key, account, label, kind, _public=public_raw(public))
    private = hashlib.sha256(f"{seed}/{name}/{ED25519}".encode()).digest()
    return ApiKey(key, account, label, kind, _pem("PRIVATE KEY", _PRIVATE + private), _seed=private)


def _pem(name: str, body: bytes) -> str:
    return f"-----BEGIN {name}-----\n{base64.b64encode(body).decode()}\n-----END {name}-----\n"


def public_raw(pem: str) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM. Raises BadConfig."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    todo = "a PEM, -----BEGIN PUBLIC KEY----- and so on"
    if len(lines) < 3 or lines[0] != "-----BEGIN PUBLIC KEY-----":
        raise BadConfig("no public key", todo=todo)
    try:
        body = base64.b64decode("".join(lines[1:-1]), validate=True)
    except Base64Error:
        raise BadConfig("the public key is not base64", todo=todo) from None
    if not body.startswith(_PUBLIC) or len(body) != len(_PUBLIC) + 32:
        raise BadConfig("the public key is not one of Ed25519", todo=todo)
    return body[len(_PUBLIC) :]


def _public_of(seed: bytes) -> bytes:
    # Imported late: what signs by HMAC only should not pay for it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def signed_by(public: bytes, payload: bytes, signature: str) -> bool:
    """Whether the base64 signature of a payload is that of a key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            base64.b64decode(signature, validate=True), payload
        )
    except (InvalidSignature, Base64Error, ValueError):
        return False
    return True

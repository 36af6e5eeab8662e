"""API keys of a simulated exchange: their accounts, permissions and signatures.

An account has the key with which it was opened, and any number of further ones. Secrets are derived from the seed and
the key's label, so only labels and public keys are ever stored.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, cast

from onetape._core import HmacSha256
from onetape.exchange.account import SimAccount
from onetape.model.errors import BadConfig, check

__all__ = [
    "AGENT",
    "BUILDER",
    "CONFIG",
    "ED25519",
    "HMAC",
    "KINDS",
    "MAIN",
    "RSA",
    "ApiKey",
    "agent_key",
    "key_pair",
    "new_key",
    "password_of",
    "public_of",
    "signed_by",
    "wallet_pair",
]

HMAC: Final = "hmac"
ED25519: Final = "ed25519"
RSA: Final = "rsa"
KINDS: Final = (HMAC, ED25519, RSA)
AGENT: Final = "agent"  # a wallet that may trade for an account; its label is its address
BUILDER: Final = "builder"  # gets a fee of the orders that name it, and signs nothing
CONFIG: Final = "config"  # names an account and signs nothing
MAIN: Final = "main"  # label of the key with which an account was opened
# What precedes the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410).
_PRIVATE: Final = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC: Final = bytes.fromhex("302a300506032b6570032100")
RSA_BITS: Final = (2048, 4096)  # minimum, maximum, for accepted keys


@dataclass(slots=True, eq=False)
class ApiKey:
    """A key of an account. secret: the HMAC secret, or the Ed25519 private key in the clients' form if the exchange
    made it. An RSA key is made by its owner, as at the venue, because it cannot be derived from a seed. addresses: the
    only permitted IP addresses, empty: any. terms: further facts from its owner."""

    key: str
    account: SimAccount
    label: str
    kind: str = HMAC
    secret: str = field(default="", repr=False)
    can_trade: bool = True
    can_withdraw: bool = False
    addresses: tuple[str, ...] = ()
    terms: dict[str, str] = field(default_factory=dict)
    _code: HmacSha256 | None = field(default=None, repr=False)
    _public: bytes = b""
    _seed: bytes = field(default=b"", repr=False)

    @property
    def code(self) -> HmacSha256:
        """Returns the object that checks HMAC-SHA256 signatures."""
        if self._code is None:
            self._code = HmacSha256(self.secret.encode())
        return self._code

    @property
    def public(self) -> bytes:
        """Returns the public key: the 32 bytes of Ed25519, or the DER of RSA."""
        if not self._public:
            self._public = ed25519_public(self._seed)
        return self._public

    def is_allowed(self, address: str) -> bool:
        return not self.addresses or address in self.addresses


def key_pair(seed: int, name: str, *, length: int = 64) -> tuple[str, str]:
    """Returns a key and a secret of letters and digits, the same for the same seed. They may be predictable, because
    they only protect play money."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    state = zlib.crc32(f"{seed}/{name}".encode()) or 1
    letters = []
    for _ in range(2 * length):
        # xorshift32: gives different keys, not secret ones.
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        letters.append(alphabet[state % len(alphabet)])
    return "".join(letters[:length]), "".join(letters[length:])


@lru_cache(maxsize=1024)
def password_of(secret: str) -> str:
    """Returns the password of the key with this secret, at exchanges whose keys have one."""
    return hashlib.sha256(f"{secret}/password".encode()).hexdigest()[:16]


def wallet_pair(seed: int, name: str) -> tuple[str, str]:
    """Returns the address of an Ethereum wallet and its private key in hexadecimal, the same for the same seed."""
    from onetape.venues.typed_data import address_of, wallet_key

    secret = f"0x{hashlib.sha256(f'{seed}/{name}/wallet'.encode()).hexdigest()}"
    return address_of(wallet_key(f"0x{0:040x}", secret).public_key.format(False)), secret


def agent_key(account: SimAccount, agent: str) -> str:
    """Returns the key by which an agent's address trades for an account; the address may have an account of its own."""
    return f"{account.key}/{agent}"


def new_key(keyring: tuple[int, str], account: SimAccount, label: str, *, kind: str, public: str = "") -> ApiKey:
    """Makes another key of an account, the same for the same seed and label. public: PEM of the owner's key, not for
    HMAC. Raises BadConfig."""
    seed, venue = keyring
    name = f"{venue}/{account.name}/{label}"
    key, secret = key_pair(seed, name)
    if kind == HMAC:
        return ApiKey(key, account, label, kind, secret)
    if kind in (AGENT, BUILDER):
        return ApiKey(agent_key(account, label), account, label, kind)
    if kind == CONFIG:
        from onetape.venues.pacifica.signing import base58

        return ApiKey(f"{key[:8]}_{base58(secret.encode()[:16])}", account, label, kind)
    if public:
        return ApiKey(key, account, label, kind, _public=public_of(kind, public))
    if kind == RSA:
        raise BadConfig("an RSA key is made by its owner", todo="give its public half, a PEM")
    private = hashlib.sha256(f"{seed}/{name}/{ED25519}".encode()).digest()
    return ApiKey(key, account, label, kind, _pem("PRIVATE KEY", _PRIVATE + private), _seed=private)


def _pem(name: str, body: bytes) -> str:
    return f"-----BEGIN {name}-----\n{base64.b64encode(body).decode()}\n-----END {name}-----\n"


def public_of(kind: str, pem: str) -> bytes:
    """Returns the public key in a PEM: the 32 bytes of Ed25519, or the DER of RSA. Raises BadConfig."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    todo = "a PEM, -----BEGIN PUBLIC KEY----- and so on"
    if len(lines) < 3 or lines[0] != "-----BEGIN PUBLIC KEY-----":
        raise BadConfig("no public key", todo=todo)
    try:
        body = base64.b64decode("".join(lines[1:-1]), validate=True)
    except Base64Error:
        raise BadConfig("the public key is not base64", todo=todo) from None
    if kind == RSA:
        return _rsa_of(body, todo)
    if not body.startswith(_PUBLIC) or len(body) != len(_PUBLIC) + 32:
        raise BadConfig("the public key is not one of Ed25519", todo=todo)
    return body[len(_PUBLIC) :]


def _rsa_of(body: bytes, todo: str) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        found = load_der_public_key(body)
    except (ValueError, UnsupportedAlgorithm):
        raise BadConfig("the public key cannot be read", todo=todo) from None
    if not isinstance(found, RSAPublicKey):
        raise BadConfig("the public key is not one of RSA", todo=todo)
    if not RSA_BITS[0] <= found.key_size <= RSA_BITS[1]:
        raise BadConfig(f"an RSA key of {found.key_size} bits", todo=f"{RSA_BITS[0]} to {RSA_BITS[1]} bits")
    return body


def ed25519_public(seed: bytes) -> bytes:
    # Imported late, so that users of HMAC do not have to load it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def signed_by(kind: str, public: bytes, payload: bytes, signature: str) -> bool:
    """Tells whether the base64 signature of a payload belongs to a key. RSA: PKCS #1 v1.5 over SHA-256."""
    from cryptography.exceptions import InvalidSignature

    try:
        signature_bytes = base64.b64decode(signature, validate=True)
        if kind == RSA:
            _check_rsa(public, signature_bytes, payload)
        else:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            Ed25519PublicKey.from_public_bytes(public).verify(signature_bytes, payload)
    except (InvalidSignature, Base64Error, ValueError):
        return False
    return True


def _check_rsa(public: bytes, signature_bytes: bytes, payload: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(public)
    check(isinstance(key, RSAPublicKey), "a key of RSA was stored that is none")
    cast(RSAPublicKey, key).verify(signature_bytes, payload, PKCS1v15(), SHA256())

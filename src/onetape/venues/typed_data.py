"""Typed data (EIP-712) signed by the key of an Ethereum wallet: hashes, addresses, signatures.

Signatures are secp256k1 by libsecp256k1, the hash is keccak-256 (not SHA3-256). The libraries are loaded only where a
wallet is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from onetape.model.errors import BadConfig, NotAvailable

if TYPE_CHECKING:
    from coincurve import PrivateKey

__all__ = [
    "address_of",
    "checked",
    "digest",
    "domain",
    "is_address",
    "keccak",
    "signed",
    "signer_address",
    "wallet_key",
]

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_SECRET: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}\Z")


def keccak(data: bytes) -> bytes:
    try:
        from Crypto.Hash import keccak as kind
    except ImportError:
        raise NotAvailable("wallet signatures", todo="pip install 'onetape[wallets]'") from None
    return kind.new(digest_bits=256, data=data).digest()


def _curve() -> type[PrivateKey]:
    try:
        from coincurve import PrivateKey
    except ImportError:
        raise NotAvailable("wallet signatures", todo="pip install 'onetape[wallets]'") from None
    return PrivateKey


@lru_cache(maxsize=8)
def domain(name: str, chain: int) -> bytes:
    """Returns the prefix of all signed data of a domain: version 1, no contract."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    parts = (kind, name.encode(), b"1")
    return b"\x19\x01" + keccak(b"".join(map(keccak, parts)) + chain.to_bytes(32, "big") + bytes(32))


@lru_cache(maxsize=64)
def _kind(name: str, fields: tuple[str, ...]) -> bytes:
    return keccak(f"{name}({','.join(fields)})".encode())


def _word(kind: str, value: str | int | bytes) -> bytes:
    if isinstance(value, bytes):
        return keccak(value) if kind == "string" else value
    if isinstance(value, str):
        return int(value, 16).to_bytes(32, "big") if kind == "address" else keccak(value.encode())
    return int(value).to_bytes(32, "big")


def digest(head: bytes, name: str, values: Mapping[str, str | int | bytes]) -> bytes:
    """Returns the 32 bytes that are signed. head: of `domain`; values: `type name` of each field -> its value, in
    order."""
    words = b"".join(_word(field.partition(" ")[0], value) for field, value in values.items())
    return keccak(head + keccak(_kind(name, tuple(values)) + words))


def address_of(public: bytes) -> str:
    """Returns the address of an uncompressed public key (65 bytes)."""
    return checked("0x" + keccak(public[1:])[12:].hex())


def checked(address: str) -> str:
    """Returns an address with EIP-55 letter case."""
    low = address[2:].lower()
    check = keccak(low.encode()).hex()
    return "0x" + "".join(c.upper() if int(n, 16) >= 8 else c for c, n in zip(low, check, strict=False))


def is_address(text: str) -> bool:
    return _ADDRESS.match(text) is not None


def wallet_key(user: str, secret: str) -> PrivateKey:
    """Returns the private key of the wallet that signs for a user. user: the account's address; secret: 32 bytes in
    hexadecimal. Raises BadConfig."""
    if not _SECRET.match(secret):
        todo = "give the 64 hexadecimal digits of an agent's key"
        raise BadConfig("the secret is no private key of a wallet", location="secret", todo=todo)
    if not is_address(user):
        todo = "give 0x and 40 hexadecimal digits"
        raise BadConfig("the key is no address of a wallet", location="key", todo=todo)
    return _curve().from_hex(secret.removeprefix("0x"))


def signed(key: PrivateKey, digest_: bytes) -> str:
    """Returns r, s and v, as 0x and 130 hexadecimal digits."""
    raw = key.sign_recoverable(digest_, None)
    return f"0x{raw[:64].hex()}{raw[64] + 27:02x}"


def signer_address(digest_: bytes, signature: str) -> str:
    """Returns the address of the wallet that signed, "" for an invalid signature."""
    _curve()
    from coincurve import PublicKey

    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
        if len(raw) != 65 or raw[64] not in (0, 1, 27, 28):
            return ""
        recoverable = raw[:64] + bytes([raw[64] % 27])
        return address_of(PublicKey.from_signature_and_message(recoverable, digest_, None).format(False))
    except ValueError:
        return ""

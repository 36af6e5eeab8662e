"""Signatures of requests to Aster: EIP-712 typed data of one string, by the key of an agent's wallet.

The typed data is `Message(string msg)` in the domain AsterSignTransaction; msg is the text of the parameters exactly as
sent, including nonce, user and signer; the signature goes last. Source: asterdex/api-docs V3(Recommended),
"Authentication", of 2026-06. The signature itself is secp256k1 by libsecp256k1, the hash keccak-256 (not SHA3-256).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from onetape.model.errors import BadConfig, NotAvailable
from onetape.venues.binance.signing import Signer
from onetape.venues.query_text import query_text

if TYPE_CHECKING:
    from coincurve import PrivateKey

__all__ = [
    "MAINNET",
    "TESTNET",
    "WalletSigner",
    "address_of",
    "checked",
    "digest_of",
    "is_address",
    "owner_digest",
    "refuse_main_key",
    "signer_address",
]

MAINNET: Final = 1666  # chain ids of the domain
TESTNET: Final = 714
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_SECRET: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}\Z")


def _keccak(data: bytes) -> bytes:
    try:
        from Crypto.Hash import keccak
    except ImportError:
        raise NotAvailable("wallet signatures", todo="pip install 'onetape[wallets]'") from None
    return keccak.new(digest_bits=256, data=data).digest()


def _curve() -> type[PrivateKey]:
    try:
        from coincurve import PrivateKey
    except ImportError:
        raise NotAvailable("wallet signatures", todo="pip install 'onetape[wallets]'") from None
    return PrivateKey


@lru_cache(maxsize=8)
def _head(chain: int) -> bytes:
    """Returns the prefix of all signed data of a chain."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    parts = (kind, b"AsterSignTransaction", b"1")
    return b"\x19\x01" + _keccak(b"".join(map(_keccak, parts)) + chain.to_bytes(32, "big") + bytes(32))


@lru_cache(maxsize=64)
def _kind(name: str, fields: tuple[str, ...]) -> bytes:
    """Returns the type hash. fields: `type name` of each field."""
    return _keccak(f"{name}({','.join(fields)})".encode())


def digest_of(message: bytes, chain: int) -> bytes:
    """Returns the 32 bytes that are signed for the text of a request."""
    return _keccak(_head(chain) + _keccak(_kind("Message", ("string msg",)) + _keccak(message)))


def owner_digest(name: str, values: Mapping[str, str | int | bool], chain: int) -> bytes:
    """Returns the 32 bytes that a main wallet signs. values: the fields, in order."""
    fields, words = [], []
    for field, value in values.items():
        kind = "string" if isinstance(value, str) else "bool" if isinstance(value, bool) else "uint256"
        fields.append(f"{kind} {field[0].upper()}{field[1:]}")
        words.append(_keccak(value.encode()) if isinstance(value, str) else int(value).to_bytes(32, "big"))
    return _keccak(_head(chain) + _keccak(_kind(name, tuple(fields)) + b"".join(words)))


def address_of(public: bytes) -> str:
    """Returns the address of an uncompressed public key (65 bytes)."""
    return checked("0x" + _keccak(public[1:])[12:].hex())


def checked(address: str) -> str:
    """Returns an address with EIP-55 letter case."""
    low = address[2:].lower()
    check = _keccak(low.encode()).hex()
    return "0x" + "".join(c.upper() if int(n, 16) >= 8 else c for c, n in zip(low, check, strict=False))


def is_address(text: str) -> bool:
    return _ADDRESS.match(text) is not None


def signer_address(digest: bytes, signature: str) -> str:
    """Returns the address of the wallet that signed, "" for an invalid signature."""
    _curve()
    from coincurve import PublicKey

    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
        if len(raw) != 65 or raw[64] not in (0, 1, 27, 28):
            return ""
        recoverable = raw[:64] + bytes([raw[64] % 27])
        return address_of(PublicKey.from_signature_and_message(recoverable, digest, None).format(False))
    except ValueError:
        return ""


class WalletSigner:
    """Signs for a user with the wallet of an agent. user: the account's address; secret: the agent's private key, 32
    bytes in hexadecimal. Both "": unsigned requests only. Raises BadConfig."""

    opens_session = False

    def __init__(self, user: str, secret: str, chain: int = MAINNET) -> None:
        self.chain = chain
        if not user and not secret:
            self.signer = self.who = ""
            return
        if not _SECRET.match(secret):
            raise BadConfig(
                "the secret is no private key of a wallet",
                location="secret",
                todo="give the 64 hexadecimal digits of an agent's key",
            )
        if not is_address(user):
            raise BadConfig(
                "the key is no address of a wallet", location="key", todo="give 0x and 40 hexadecimal digits"
            )
        self._key = _curve().from_hex(secret.removeprefix("0x"))
        self.signer = address_of(self._key.public_key.format(False))
        self.who = f"user={user}&signer={self.signer}"

    def sign(self, payload: bytes) -> str:
        """Returns r, s and v of a text, as 0x and 130 hexadecimal digits."""
        return self.signed(digest_of(payload, self.chain))

    def signed(self, digest: bytes) -> str:
        raw = self._key.sign_recoverable(digest, None)
        return f"0x{raw[:64].hex()}{raw[64] + 27:02x}"

    def signed_query(self, params: Mapping[str, str], tail: str) -> str:
        """Returns `a=1&b=2&<tail>&user=..&signer=..&signature=0x..`."""
        text = query_text(params)
        query = f"{text}&{tail}&{self.who}" if text else f"{tail}&{self.who}"
        return f"{query}&signature={self.sign(query.encode())}"


def refuse_main_key(user: str, signer: Signer) -> None:
    """Raises BadConfig if the account's main wallet signs, because its key can move everything in the account."""
    if isinstance(signer, WalletSigner) and user and signer.signer == checked(user):
        raise BadConfig(
            "the secret is the key of the main wallet",
            location="secret",
            todo="approve an agent wallet at the venue, and give its key",
        )

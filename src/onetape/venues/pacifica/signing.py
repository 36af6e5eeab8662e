"""Signatures of requests to Pacifica: Ed25519 over compact JSON with sorted keys, in base58.

The signed text is {timestamp, expiry_window, type, data: the payload}, sorted at every level, arrays unchanged; the
sent body is the payload with account, signature, timestamp and window beside it. The account is the address of the main
wallet; `agent_wallet` names the agent whose key signs. Neither is signed. Source: docs.pacifica.fi "Signing,
Implementation", pacifica-fi/python-sdk common/utils.py, of 2025-10.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onetape.model.errors import BadConfig

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["AgentSigner", "base58", "config_key_header", "is_address", "is_signed", "message_of", "unbase58"]

_DIGITS: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# msgspec and Python's json both sort at every level, but differ in fractional numbers and in letters beyond ASCII,
# where the venue follows Python.
_PLAIN: Final = frozenset({str, bool, int, type(None)})
_sorted: Final = msgspec.json.Encoder(order="sorted").encode
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_PAIRS: Final = [first + second for first in _DIGITS for second in _DIGITS]
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}


def base58(data: bytes) -> str:
    number, pairs = int.from_bytes(data, "big"), []
    while number:
        number, rest = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[rest])
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + "".join(reversed(pairs)).lstrip("1")


def unbase58(text: str, size_bytes: int) -> bytes | None:
    """Decodes base58; None if it is not exactly that many bytes."""
    if len(text) > 2 * size_bytes:
        return None
    number = 0
    try:
        for digit in text:
            number = number * 58 + _VALUES[digit]
        data = number.to_bytes(size_bytes, "big")
    except (KeyError, OverflowError):
        return None
    # Each leading zero byte is a leading `1` of the text.
    is_whole = len(text) - len(text.lstrip("1")) == size_bytes - len(data.lstrip(b"\0"))
    return data if is_whole else None


@lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    return unbase58(text, 32) is not None


def message_of(operation: str, payload: Mapping[str, Any], timestamp: int, window: int) -> bytes:
    """Returns the text to sign for a request. timestamp: ms UTC; window: validity from then on, ms."""
    value = {"timestamp": timestamp, "expiry_window": window, "type": operation, "data": payload}
    if _PLAIN.issuperset(map(type, payload.values())):  # nearly always, in a quarter of the time
        data = _sorted(value)
        if data.isascii() and b"\x7f" not in data:
            return data
    return _canonical(value).encode()


def is_signed(message: bytes, signature: str, address: str) -> bool:
    """Tells whether the wallet of this address signed the message."""
    from cryptography.exceptions import InvalidSignature

    raw, public = unbase58(signature, 64), _public_key(address)
    if raw is None or public is None:
        return False
    try:
        public.verify(raw, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=4096)
def _public_key(address: str) -> Ed25519PublicKey | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = unbase58(address, 32)
    try:
        return None if raw is None else Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        return None


def config_key_header(key: str) -> dict[str, str]:
    """Returns the header with an API config key, no header for "". Raises BadConfig for characters that a header cannot
    hold."""
    if not (key.isascii() and key.isprintable() and " " not in key):
        todo = "give the text as the venue shows it"
        raise BadConfig("not a valid API config key", location="api_config_key", todo=todo)
    return {"PF-API-KEY": key} if key else {}


class AgentSigner:
    """Signs for an account with the wallet of an agent. account: the address of the main wallet; secret: the agent's
    private key, base58 of its 32 bytes and those of its address. Raises BadConfig."""

    def __init__(self, account: str, secret: str) -> None:
        # Imported only where such a key is used: it costs 30 ms of every start.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        raw = unbase58(secret, 64)
        if raw is None:
            raise BadConfig(
                "the secret is no private key of a wallet",
                location="secret",
                todo="give the base58 text of the 64 bytes of an agent's key",
            )
        if not is_address(account):
            raise BadConfig(
                "the key is no address of a wallet", location="key", todo="give the base58 text of 32 bytes"
            )
        self._key = Ed25519PrivateKey.from_private_bytes(raw[:32])
        if self._key.public_key().public_bytes_raw() != raw[32:]:
            raise BadConfig(
                "the two halves of the secret belong to different wallets", location="secret", todo="copy it once more"
            )
        self.account = account
        self.agent = base58(raw[32:])
        self._who = {"account": account} if account == self.agent else {"account": account, "agent_wallet": self.agent}

    def sign(self, message: bytes) -> str:
        return base58(self._key.sign(message))

    def body(self, operation: str, payload: Mapping[str, Any], timestamp: int, window: int) -> dict[str, Any]:
        """Returns the request's body; times as in `message_of`."""
        signature = self.sign(message_of(operation, payload, timestamp, window))
        return {**self._who, "signature": signature, "timestamp": timestamp, "expiry_window": window, **payload}

    def refuse_main_key(self) -> None:
        """Raises BadConfig if the account's main wallet signs, because its key can move everything in the account."""
        if self.account == self.agent:
            raise BadConfig(
                "the secret is the key of the main wallet",
                location="secret",
                todo="bind an agent wallet at the venue, and give its key",
            )

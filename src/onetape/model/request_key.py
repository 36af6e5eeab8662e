"""Define a key for an opportunity: only the first request under it becomes an order."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

from onetape.model.time import DAY, parse_duration

__all__ = ["BY_HAND_EXPIRES", "KEY_BYTES_MAX", "RequestKey", "key_by_hand", "request_key"]

KEY_BYTES_MAX: Final = 64
EXPIRES: Final = DAY  # for a key whose cycle is never ended
BY_HAND_EXPIRES: Final = 30 * DAY  # for a command's key: far longer than a sender waits for an answer


class RequestKey(msgspec.Struct, frozen=True):
    """The key of an opportunity: only the first request with it becomes an order. key: 1 to 64 bytes of text. within:
    "account" or "subaccount", whose robots compete for it. expires: time after which a taken key is free again at the
    latest; ns, or a duration such as "15m"."""

    key: str
    within: Literal["account", "subaccount"] = "account"
    expires: int = EXPIRES

    def __post_init__(self) -> None:
        if isinstance(self.expires, str):
            msgspec.structs.force_setattr(self, "expires", parse_duration(self.expires))

    @property
    def broken_rule(self) -> str:
        """Returns the rule that the key violates, "" where none."""
        if not 0 < len(self.key.encode()) <= KEY_BYTES_MAX:
            return f"a request key has 1 to {KEY_BYTES_MAX} bytes: {self.key!r}"
        if self.within not in ("account", "subaccount"):
            return f"within is account or subaccount: {self.within!r}"
        return "" if self.expires > 0 else f"a request key must expire after more than 0 ns: {self.expires}"

    def as_record(self) -> dict[str, Any]:
        """Returns the key in the form of an order request on the tape."""
        return {"once": self.key, "within": self.within, "expires": self.expires}


def request_key(key: str | RequestKey) -> RequestKey:
    """Returns the key of a strategy's argument `once`. Raises TypeError or ValueError for an invalid one: it is a
    programming error."""
    made = RequestKey(key) if isinstance(key, str) else key
    if not isinstance(made, RequestKey):
        raise TypeError(f"once is a text or a RequestKey, not {type(key).__name__}")
    if made.broken_rule:
        raise ValueError(made.broken_rule)
    return made


def key_by_hand(id_: str, part: str = "", expires: int = BY_HAND_EXPIRES) -> RequestKey:
    """Returns the key of an operator's command, made from any text. expires: ns."""
    words = msgspec.json.encode([id_, part])
    return RequestKey(f"hand {hashlib.blake2b(words, digest_size=16).hexdigest()}", expires=expires)

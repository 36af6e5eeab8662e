"""Tokens for Kraken's private WebSocket: valid for fifteen minutes until first use, then as long as a subscription uses
them. A token has the permissions of its key; how soon a later change of the key has effect is not documented; here it
has effect at once. Source: docs.kraken.com "Websocket authentication" and "API key permissions", read 2026-11."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from onetape.exchange.keys import ApiKey
from onetape.exchange.kraken.wire import Refused

__all__ = ["Tokens"]

LIFE_NS: Final = 900_000_000_000
KEPT_MAX: Final = 10_000  # tokens; beyond it the oldest is dropped


@dataclass(slots=True)
class _Token:
    key: ApiKey
    expires: int
    users: set[int] = field(default_factory=set)  # connections subscribed with it


class Tokens:
    """Issues the tokens of one exchange, and returns their keys."""

    def __init__(self, keys: Mapping[str, ApiKey]) -> None:
        """keys: all keys by name."""
        self._keys = keys
        self._tokens: dict[str, _Token] = {}
        self._made = 0

    def issue(self, key: ApiKey, now: int) -> dict[str, Any]:
        self._made += 1
        seed = f"{key.secret}/{self._made}/{now}".encode()
        text = hashlib.sha256(seed).hexdigest()[:43]
        self._tokens[text] = _Token(key, now + LIFE_NS)
        if len(self._tokens) > KEPT_MAX:
            del self._tokens[next(iter(self._tokens))]
        return {"token": text, "expires": LIFE_NS // 1_000_000_000}

    def key(self, text: object, now: int) -> ApiKey:
        """Returns a token's key. Raises Refused."""
        token = self._tokens.get(text) if isinstance(text, str) else None
        if token is None or (now >= token.expires and not token.users):
            raise Refused("ESession:Invalid session")
        if self._keys.get(token.key.key) is not token.key:  # the key was revoked
            raise Refused("ESession:Invalid session")
        return token.key

    def keep(self, text: str, connection: int) -> None:
        self._tokens[text].users.add(connection)

    def release(self, connection: int) -> None:
        """Notes that a connection has no private subscription any more."""
        for token in self._tokens.values():
            token.users.discard(connection)

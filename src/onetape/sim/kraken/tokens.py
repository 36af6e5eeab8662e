"""Tokens that open Kraken's private WebSocket: fifteen minutes to begin with one, and it lives on
while a subscription with it does. Source: docs.kraken.com "Websocket authentication", read
2026-11."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from onetape.sim.account import SimAccount
from onetape.sim.kraken.wire import Refused

__all__ = ["Tokens"]

LIFE_NS: Final = 900_000_000_000
KEPT_MAX: Final = 10_000  # the oldest is forgotten


@dataclass(slots=True)
class _Token:
    account: SimAccount
    expires: int
    users: set[int] = field(default_factory=set)  # connections that are subscribed with it


class Tokens:
    """Of one exchange."""

    def __init__(self) -> None:
        self._known: dict[str, _Token] = {}
        self._made = 0

    def issue(self, account: SimAccount, now: int) -> dict[str, Any]:
        self._made += 1
        seed = f"{account.secret}/{self._made}/{now}".encode()
        text = hashlib.sha256(seed).hexdigest()[:43]
        self._known[text] = _Token(account, now + LIFE_NS)
        if len(self._known) > KEPT_MAX:
            del self._known[next(iter(self._known))]
        return {"token": text, "expires": LIFE_NS // 1_000_000_000}

    def account(self, given: object, now: int) -> SimAccount:
        """Whose token it is. Raises Refused."""
        token = self._known.get(given) if isinstance(given, str) else None
        if token is None or (now >= token.expires and not token.users):
            raise Refused("ESession:Invalid session")
        return token.account

    def keep(self, given: str, connection: int) -> None:
        self._known[given].users.add(connection)

    def release(self, connection: int) -> None:
        """A connection has no private subscription any more."""
        for token in self._known.values():
            token.users.discard(connection)

"""First request wins: of all orders requested under one key, one leaves.

Several robots may see the same opportunity and request the order that takes it. The first request holds the key from
the moment its order is accepted by the gateway until its cycle ends: when the winning robot or the operator ends it, or
the key expires. Until then every other request with that key is refused, with the winning order and its status. An
order that never came to be (denied, or rejected by the venue) holds no key.

A pure table. With several requesting processes, the gateway keeps it, and its tape is the truth: a claim is part of the
order's intent, so that both are recorded or neither is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from onetape.model.enums import OrderState
from onetape.model.errors import DuplicateCommand, OrderInvalid, OrderRate
from onetape.model.request_key import RequestKey
from onetape.orders.filters import Refusal

__all__ = ["CLAIMS_MAX", "Claim", "FirstRequests", "OrderStatus"]

CLAIMS_MAX: Final = 100_000  # keys in use at a time; more are refused
WHOLE_ACCOUNT: Final = -1  # scope of a key that is not limited to a sub-account's slot
_NEVER_WAS: Final = frozenset({OrderState.DENIED, OrderState.REJECTED})

W = TypeVar("W")  # identifies an order for the caller


class OrderStatus(NamedTuple):
    """The state of an order with a sentence for people."""

    state: OrderState | str
    words: str


@dataclass(frozen=True, slots=True)
class Claim(Generic[W]):
    winner: W
    robot: int
    until: int  # ns; the key is free from then on


class FirstRequests(Generic[W]):
    """Lets one order leave for each request key: the first.

    status_of: returns the status of an order that has or had a key; None: it is not kept any more, and counts as one
    that came to be.
    """

    def __init__(self, status_of: Callable[[W], OrderStatus | None]) -> None:
        self.status_of = status_of
        self._claims: dict[tuple[int, str], Claim[W]] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def refusal(self, key: RequestKey, slot: int, now: int) -> Refusal | None:
        """Returns why a request with that key may not leave; None: it is the first. now: ns; slot: of its
        sub-account."""
        if key.broken_rule:
            return Refusal.of(OrderInvalid, key.broken_rule)
        claim = self._claims.get(_scope(key, slot))
        if claim is not None and now < claim.until:
            status = self.status_of(claim.winner)
            if status is None or status.state not in _NEVER_WAS:
                words = "an order that ended" if status is None else status.words
                return Refusal.of(DuplicateCommand, f"the key {key.key!r} has {words}")
        if claim is None and len(self._claims) >= CLAIMS_MAX and not self._make_room(now):
            return Refusal.of(OrderRate, f"{CLAIMS_MAX} request keys are in use: end their cycles")
        return None

    def winner(self, key: RequestKey, slot: int) -> W | None:
        """Returns the order of the newest cycle of that key, also if expired."""
        claim = self._claims.get(_scope(key, slot))
        return None if claim is None else claim.winner

    def claim(self, key: RequestKey, slot: int, winner: W, robot: int, now: int) -> None:
        """Gives the key to an accepted order."""
        self._claims[_scope(key, slot)] = Claim(winner, robot, now + key.expires)

    def end(self, key: RequestKey, slot: int, robot: int | None = None) -> str:
        """Frees the key and returns "", or returns why not. robot: the requester, None: the operator, or the tape."""
        scope = _scope(key, slot)
        claim = self._claims.get(scope)
        if claim is not None and robot not in (None, claim.robot):
            status = self.status_of(claim.winner)
            words = "another robot's" if status is None else status.words
            return f"the key {key.key!r} has {words}: its robot or the operator ends the cycle"
        self._claims.pop(scope, None)
        return ""

    def clear(self) -> None:
        self._claims.clear()

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> list[tuple[tuple[int, str], Claim[W]]]:
        """Returns the claims with their scopes, oldest first."""
        return list(self._claims.items())

    def restore(self, record: list[tuple[tuple[int, str], Claim[W]]]) -> None:
        self._claims.update(record)

    def _make_room(self, now: int) -> bool:
        self._claims = {at: claim for at, claim in self._claims.items() if now < claim.until}
        return len(self._claims) < CLAIMS_MAX


def _scope(key: RequestKey, slot: int) -> tuple[int, str]:
    return (WHOLE_ACCOUNT if key.within == "account" else slot, key.key)

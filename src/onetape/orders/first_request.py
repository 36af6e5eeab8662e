"""First request wins: of all orders asked for under one key, one leaves.

Several robots may see the same opportunity and ask for the order that takes it. The first request
has the key from the moment that its order is taken in until its cycle ends: when the robot that
won says so, or the operator, or the key expires. Until then every other request with that key is
refused, and told which order has it and how that stands. An order that never came to be (denied,
or rejected by the venue) holds no key.

A pure table. Where several processes ask, the one that takes the orders in keeps it, and its tape
is the truth: a claim stands on the order's own intent, so that both are there or neither is.
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

CLAIMS_MAX: Final = 100_000  # keys in use at a time; beyond it no new one is taken
WHOLE_ACCOUNT: Final = -1  # in the place of a sub-account's slot
_NEVER_WAS: Final = frozenset({OrderState.DENIED, OrderState.REJECTED})

W = TypeVar("W")  # by what an order is known here


class OrderStatus(NamedTuple):
    """Pairs the state of an order with a sentence that says it."""

    state: OrderState | str
    words: str


@dataclass(frozen=True, slots=True)
class Claim(Generic[W]):
    winner: W
    robot: int
    until: int  # ns; from then on the key is free


class FirstRequests(Generic[W]):
    """Lets one order leave for each request key: the first.

    status_of: returns the status of an order that has or had a key; None: it is not kept any more,
    and is taken for one that came to be.
    """

    def __init__(self, status_of: Callable[[W], OrderStatus | None]) -> None:
        self.status_of = status_of
        self._claims: dict[tuple[int, str], Claim[W]] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def refusal(self, key: RequestKey, slot: int, now: int) -> Refusal | None:
        """Returns why a request with that key may not leave; None: it is the first. now: ns; slot: the sub-account that
        it is for."""
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
        """Returns the order that took the newest cycle of that key, also an expired one."""
        claim = self._claims.get(_scope(key, slot))
        return None if claim is None else claim.winner

    def claim(self, key: RequestKey, slot: int, winner: W, robot: int, now: int) -> None:
        """Gives the key to an order that was taken in."""
        self._claims[_scope(key, slot)] = Claim(winner, robot, now + key.expires)

    def end(self, key: RequestKey, slot: int, robot: int | None = None) -> str:
        """Frees the key. robot: who asks for it, None: the operator, or the tape. Returns why not, "" where
        it is free."""
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

"""Parent orders at work, and the names of the positions that they change."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from onetape.engine.handlers import PRIVATE_TIMER
from onetape.execution.algorithm import Algorithm, Parent

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["Work", "key_of", "position_of", "sendable", "timer_of"]

BOTH: Final = "both"


@dataclass(slots=True)
class Work:
    """A working parent order. target: its number on the tape; key: its position (see `key_of`); wanted: target
    position in size units, signed; seed, options: arguments of its algorithm; more: extra data that its children carry
    on the tape."""

    target: int
    key: str
    name: str
    wanted: int
    parent: Parent
    seed: int
    options: dict[str, Any]
    algorithm: Algorithm
    more: bytes
    awaited: list[_core.Order] = field(default_factory=list)
    order: _core.Order | None = None
    traded: int = 0
    amended: tuple[int, int | None, Decimal] | None = None  # order, price and quantity of the last amendment
    since: int = 0  # when the working order's price was sent, ns
    refusals: int = 0
    retry_at: int = 0

    @property
    def symbol(self) -> str:
        return position_of(self.key)[0]

    @property
    def position_side(self) -> str | None:
        return position_of(self.key)[1]


def sendable(lots: int, left: int, least: int) -> int:
    """Returns the lots of one order, so that the venue accepts both the order and the remainder. least: smallest
    accepted order in lots."""
    lots = max(lots, min(least, left))
    return left if left - lots < least else lots


def key_of(symbol: str, side: str | None) -> str:
    """Returns the name of a position: the symbol, in hedge mode with its side."""
    return symbol if side in (None, BOTH) else f"{symbol} {side}"


def position_of(key: str) -> tuple[str, str | None]:
    """Returns symbol and side of a position, None: in one-way mode."""
    symbol, _, side = key.partition(" ")
    return symbol, side or None


def timer_of(work: Work) -> str:
    return f"{PRIVATE_TIMER}{work.target}"

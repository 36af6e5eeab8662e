"""What a command by hand found to act on, where its gateway was killed before it had replied: the same command goes on
with that, and leaves alone what came since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.enums import PositionSide

__all__ = ["Found", "acts_on_found", "is_dry_run", "part_key"]

# Commands that act on whatever works or is held.
_ACTING: Final = frozenset({"cancel", "cancel_all", "close", "flatten"})


class Found(msgspec.Struct, frozen=True):
    """orders: that worked, by client id. parts: that were held, by `part_key`; signed, in units. is_kill: it flattens
    the account, whatever is found until `unkill`."""

    orders: list[str]
    parts: dict[str, int]
    is_kill: bool = False

    def left(self, key: str, qty: int) -> int:
        """Returns what is left of a part of which `qty` is held now."""
        before = self.parts.get(key, 0)
        return max(min(qty, before), 0) if before > 0 else min(max(qty, before), 0)


def part_key(slot: int, number: int, symbol: str, side: PositionSide) -> str:
    """Names one robot's part of a position. number: of the robot, of the operator 0: he may have none yet."""
    return f"{slot} {number} {symbol} {side}"


def is_dry_run(fields: Mapping[str, Any]) -> bool:
    """Tells whether a command only asks what it would do; the next life does not take it for done."""
    return str(fields.get("dry_run", "")).lower() in ("true", "yes")


def acts_on_found(name: str, fields: Mapping[str, Any]) -> bool:
    """Tells whether what a command does depends on what it finds: a cancel of one order names it."""
    return name in _ACTING and not is_dry_run(fields) and (name != "cancel" or "symbol" in fields)

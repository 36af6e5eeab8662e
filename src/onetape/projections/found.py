"""The orders and positions that a command by hand found, for a gateway that was killed before it had replied: the
repeated command continues with these, and leaves later ones alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.enums import PositionSide

__all__ = ["Found", "acts_on_found", "is_dry_run", "part_key"]

# Commands that act on all working orders or positions.
_ACTING: Final = frozenset({"cancel", "cancel_all", "close", "flatten"})


class Found(msgspec.Struct, frozen=True):
    """The orders and positions that a command found. orders: that worked, by client id. parts: of positions, by
    `part_key`; signed, in units. is_kill: it flattens the account, including all found until `unkill`."""

    orders: list[str]
    parts: dict[str, int]
    is_kill: bool = False

    def left(self, key: str, qty: int) -> int:
        """Returns what remains of a found part. qty: its current quantity."""
        before = self.parts.get(key, 0)
        return max(min(qty, before), 0) if before > 0 else min(max(qty, before), 0)


def part_key(slot: int, number: int, symbol: str, side: PositionSide) -> str:
    """Returns the key of one robot's part of a position. number: of the robot, for the operator 0, who may have no
    number yet."""
    return f"{slot} {number} {symbol} {side}"


def is_dry_run(fields: Mapping[str, Any]) -> bool:
    """Tells whether a command is a dry run; the next incarnation does not count it as done."""
    return str(fields.get("dry_run", "")).lower() in ("true", "yes")


def acts_on_found(name: str, fields: Mapping[str, Any]) -> bool:
    """Tells whether a command's effect depends on what it finds; a cancel of one order names it."""
    return name in _ACTING and not is_dry_run(fields) and (name != "cancel" or "symbol" in fields)

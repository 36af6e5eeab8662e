"""Brackets: entries by hand whose stop and take-profits the gateway keeps at the venue, from the gateway's journal.

| frame | effect |
|---|---|
| command `place` | names the levels |
| order_request | of the entry: its bracket begins; of a leg, by its tag: the leg's newest order |
| fill | counts for the entry or the leg |
| health `bracket` | what the gateway has decided: legs given up, fills closed by other orders, the end |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.enums import PositionSide, Side, TriggerBy
from onetape.model.order import OrderSpec

__all__ = ["BRACKET", "STOP", "Bracket", "BracketTerms", "Brackets", "leg_tag", "take_name", "terms_of"]

BRACKET: Final = "bracket"  # kind of the health record
STOP: Final = "stop"
_LEG: Final = re.compile(r"(stop|take \d+) of (\d+)\Z")


class BracketTerms(msgspec.Struct, frozen=True):
    """Levels of a command. stop: a price or "2%", "": none; takes: each level and its share of the entry."""

    stop: str = ""
    takes: list[tuple[str, str]] = []
    trigger_by: TriggerBy = TriggerBy.LAST


class Bracket(msgspec.Struct):
    """The state of one entry's protection. robot: the owner's number; legs: each leg's orders, the newest last; done:
    filled quantity, and the sum of price times quantity, of the entry and the legs' orders, by order id; abandoned:
    legs that are not placed again; closed: fills of the entry that other orders have closed. Quantities in units."""

    robot: int
    entry: int
    symbol: str
    side: Side
    position_side: PositionSide
    terms: BracketTerms
    legs: dict[str, list[int]] = {}
    done: dict[int, tuple[int, int]] = {}
    abandoned: list[str] = []
    closed: int = 0

    @classmethod
    def begin(cls, robot: int, entry: int, spec: OrderSpec, terms: BracketTerms) -> Bracket:
        return cls(robot, entry, spec.symbol, spec.side, spec.position_side, terms, done={entry: (0, 0)})

    @property
    def exits(self) -> int:
        """Returns the quantity that the legs have closed."""
        return sum(size for order, (size, _) in self.done.items() if order != self.entry)

    def filled_of(self, leg: str) -> int:
        return sum(self.done[order][0] for order in self.legs.get(leg, ()))

    def place(self, leg: str, order: int) -> None:
        self.legs.setdefault(leg, []).append(order)
        self.done.setdefault(order, (0, 0))


class Brackets:
    """The brackets of an account. by_order: of each entry and leg's order, by order id."""

    def __init__(self) -> None:
        self.by_entry: dict[int, Bracket] = {}
        self.by_order: dict[int, Bracket] = {}
        self.named: dict[str, BracketTerms] = {}  # by the request key of an entry that is not placed yet

    def clear(self) -> None:
        self.by_entry.clear()
        self.by_order.clear()
        self.named.clear()

    def placed(self, robot: int, order: int, spec: OrderSpec) -> None:
        """Handles an accepted order."""
        terms = self.named.pop(spec.once.key, None) if spec.once is not None else None
        if terms is not None:
            self.by_entry[order] = self.by_order[order] = Bracket.begin(robot, order, spec, terms)
        elif self.by_entry and (found := _LEG.match(spec.tag)) and int(found[2]) in self.by_entry:
            bracket = self.by_order[order] = self.by_entry[int(found[2])]
            bracket.place(found[1], order)

    def filled(self, order: int, price: int, size: int) -> None:
        """Handles a fill."""
        if (bracket := self.by_order.get(order)) is not None:
            before, spent = bracket.done[order]
            bracket.done[order] = before + size, spent + price * size

    def decided(self, record: Mapping[str, Any]) -> None:
        """Handles a `bracket` record."""
        bracket = self.by_entry.get(record["entry"])
        if bracket is None:
            return
        bracket.abandoned, bracket.closed = list(record["abandoned"]), record["closed"]
        if record["over"]:
            del self.by_entry[bracket.entry]
            for order in bracket.done:
                self.by_order.pop(order, None)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> tuple[list[Bracket], dict[str, BracketTerms]]:
        return list(self.by_entry.values()), dict(self.named)

    def restore(self, brackets: list[Bracket], named: dict[str, BracketTerms]) -> None:
        """Continues from a checkpoint: before the first frame."""
        self.by_entry = {each.entry: each for each in brackets}
        self.by_order = {order: each for each in brackets for order in each.done}
        self.named = dict(named)


def take_name(number: int) -> str:
    """Returns the name of a take-profit, counted from 1."""
    return f"take {number}"


def leg_tag(leg: str, entry: int) -> str:
    """Returns the tag of a leg's orders, by which they are found again."""
    return f"{leg} of {entry}"


def terms_of(fields: Mapping[str, Any]) -> BracketTerms | None:
    """Returns the levels that a command names, None: none."""
    stop, take = fields.get("stop_loss"), fields.get("take_profit")
    if stop is None and take is None:
        return None
    several = take if isinstance(take, list) else [] if take is None else [(take, 1)]
    takes = [(str(level), str(share)) for level, share in several]
    by = TriggerBy(str(fields.get("trigger_by", TriggerBy.LAST)).lower())
    return BracketTerms("" if stop is None else str(stop), takes, by)

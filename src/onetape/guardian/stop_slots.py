"""Shares a venue's limits on orders with a trigger, per account and per symbol, among positions. Pure.

Stops come before take-profits, and each position gets at least one stop before another gets a complete ladder. A part
stays free, so that a ladder can be placed before the one that it replaces is canceled: first in as many stops as there
is room for, which cover the whole position, and after the cancel in as many as its share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from onetape.guardian.events import Record
from onetape.guardian.position_guard import PositionGuard
from onetape.options.guardian_rules import GuardianSettings
from onetape.orders.calls import TriggerBounds

__all__ = ["NO_BOUND", "SharedSlots", "Slots", "slots_of"]

RESERVE: Final = 10  # a tenth of an account's limit stays free while ladders rest,
SPARE: Final = 4 * RESERVE  # and a quarter of that during placements, except those that make room
RESERVE_OF_SYMBOL: Final = 2  # for a robot's attached stop and take-profit
NO_BOUND: Final = 1 << 30


class Slots(NamedTuple):
    """The shares of positions in the slots for orders with a trigger. each: stops per position; has_targets:
    take-profits rest at the venue, too; free: orders that the venue still accepts; reserve, spare: of them, as above;
    margin: slots beyond its stops that must be free before a ladder gets more levels; positions, others: counts of
    positions, and of robots' orders, that share them."""

    each: int = NO_BOUND
    has_targets: bool = True
    free: int = NO_BOUND
    reserve: int = 0
    spare: int = 0
    margin: int = 0
    positions: int = 0
    others: int = 0
    is_short: bool = False  # some position has fewer stops than its ladder
    is_stuck: bool = False  # no stop can be replaced

    @property
    def cut(self) -> list[str]:
        cut = [f"{self.each} stops each"] if self.is_short else []
        cut += [] if self.has_targets else ["take-profits are local"]
        return cut + (["no slot is free: no stop can be replaced"] if self.is_stuck else [])

    def most(self, *, is_target: bool, makes_room: bool) -> int:
        """Returns the maximum number of orders of a ladder that is placed now; if slots are short, each new one gets
        one first."""
        room = self.free - (0 if makes_room else self.spare)
        return room if is_target else min(self.each, room, NO_BOUND if self.free > self.reserve else 1)

    def fits_more(self, rows: int) -> bool:
        """Tells whether a ladder with that many stops may have more."""
        return self.each > rows and self.free >= self.each + self.margin

    def said(self, account: str, symbol: str, most: int) -> Record:
        """Returns the record about cut ladders. symbol: of the limit, "": the account's; most: the venue's limit."""
        who = "1 position has" if self.positions == 1 else f"{self.positions} positions share"
        share = f"{who} {most} orders with a trigger"
        share += f", robots have {self.others} of them" if self.others else ""
        state = f"{share}: {', '.join(self.cut)}" if self.cut else "all ladders are whole"
        about = {"account": account, "positions": self.positions, "others": self.others, "each": self.each}
        severity = "critical" if self.is_stuck else "warning" if self.cut else ""
        return Record("ladders", f"{account} {symbol}".rstrip(), state, about, severity)


def slots_of(
    guards: Collection[PositionGuard],
    settings: GuardianSettings,
    most: int,
    others: int,
    *,
    had_targets: bool,
    of_symbol: bool = False,
) -> Slots:
    """Returns the shares of the positions of an account, or of a symbol. most: the venue's limit; others: orders with a
    trigger that are not the guardian's; had_targets: take-profits have rested at the venue so far; else they need more
    room to return."""
    rules = [settings.of(each.instrument.symbol) for each in guards if each.target]
    tenth = max(most // RESERVE, 1)
    reserve, spare, margin = (RESERVE_OF_SYMBOL, 0, 0) if of_symbol else (tenth, max(most // SPARE, 1), tenth)
    shared = most - others - reserve
    each = shared // len(rules) if rules else NO_BOUND
    wanted = sum(len(each.distances) + len(each.targets) for each in rules)
    is_short = any(len(of.distances) > each for of in rules)
    free = most - others - sum(each.orders for each in guards)
    # Take-profits are replaced as a whole.
    room = min(shared, most - others - max((len(each.targets) for each in rules), default=0))
    has_targets = wanted <= room - (0 if had_targets else tenth)
    is_stuck = bool(rules) and free <= 0 and not any(each.is_placing for each in guards)
    return Slots(max(each, 1), has_targets, free, reserve, spare, margin, len(rules), others, is_short, is_stuck)


class SharedSlots:
    """The shares of positions in the slots of each account, and of each symbol. bounds: by account, its venue's limits
    on orders with a trigger."""

    def __init__(self, settings: GuardianSettings, bounds: Mapping[str, TriggerBounds]) -> None:
        self._settings, self._bounds = settings, dict(bounds)
        self._others: dict[str, Mapping[str, int]] = {}  # by account and symbol; orders that are not the guardian's
        self._listed: dict[tuple[str, str], int] = {}  # upper bounds of these: from the venue, if the gateway is dead
        self._shared: dict[tuple[str, str], Slots] = {}  # by account and symbol, "": the account's; as of the last tick
        self._now: dict[str, dict[str, Slots]] = {}  # with placements since; absent: positions have changed

    def is_bound(self, account: str) -> bool:
        return any(self._bounds.get(account, ()))

    def others(self, account: str, counts: Mapping[str, int]) -> None:
        self._others[account] = counts
        self.changed(account)

    def listed(self, account: str, symbol: str, names: Collection[str], guards: Collection[PositionGuard]) -> None:
        """Sets which orders of a symbol the venue lists, because a dead gateway does not report the ends of those on
        its tape. guards: of the symbol's positions."""
        self._listed[account, symbol] = len(set(names).difference(*(each.rows for each in guards)))
        self.changed(account)

    def gateway_back(self, account: str) -> None:
        self._listed = {of: count for of, count in self._listed.items() if of[0] != account}
        self.changed(account)

    def _others_of(self, account: str) -> dict[str, int]:
        """Returns the count of orders with a trigger that are not the guardian's, by symbol."""
        counts = self._others.get(account, {})
        return {symbol: min(count, self._listed.get((account, symbol), count)) for symbol, count in counts.items()}

    def changed(self, account: str) -> None:
        self._now.pop(account, None)

    def took(self, guard: PositionGuard, orders: int) -> None:
        """Counts placed orders."""
        now = self._now[guard.account]
        for symbol in ("", guard.instrument.symbol):
            now[symbol] = now[symbol]._replace(free=now[symbol].free - orders)

    def share_one(self, one: PositionGuard, other: PositionGuard) -> bool:
        """Tells whether two positions of an account have slots that both could use."""
        return self._bounds[one.account].account > 0 or one.instrument.symbol == other.instrument.symbol

    def shared(self, guard: PositionGuard) -> list[Slots]:
        """Returns the shares as of the last tick, of its account and of its symbol."""
        return [self._shared.get((guard.account, symbol), Slots()) for symbol in ("", guard.instrument.symbol)]

    def now(self, guard: PositionGuard, guards: Collection[PositionGuard]) -> list[Slots]:
        """Returns the shares, with placements since the last tick. guards: of the account's positions."""
        return [self._now_of(guard.account, symbol, guards) for symbol in ("", guard.instrument.symbol)]

    def _now_of(self, account: str, symbol: str, guards: Collection[PositionGuard]) -> Slots:
        now = self._now.setdefault(account, {})
        if symbol not in now:
            had, others = self._shared.get((account, symbol), Slots()).has_targets, self._others_of(account)
            most, count = self._most(account, symbol), others.get(symbol, 0) if symbol else sum(others.values())
            of = [each for each in guards if symbol in ("", each.instrument.symbol)]
            now[symbol] = (
                slots_of(of, self._settings, most, count, had_targets=had, of_symbol=bool(symbol)) if most else Slots()
            )
        return now[symbol]

    def _most(self, account: str, symbol: str) -> int:
        bounds = self._bounds.get(account, TriggerBounds())
        return bounds.symbol if symbol else bounds.account

    def has_targets(self, guard: PositionGuard) -> bool:
        """Returns whether its take-profits rest at the venue."""
        has_room = all(slots.has_targets for slots in self.shared(guard))
        return bool(self._settings.of(guard.instrument.symbol).targets) and has_room

    def share(self, account: str, guards: Collection[PositionGuard]) -> list[Record]:
        """Recomputes the shares at each tick. Returns records where a limit cuts ladders, or no longer does."""
        self.changed(account)
        said = []
        for symbol in dict.fromkeys(("", *(each.instrument.symbol for each in guards))):
            if most := self._most(account, symbol):
                before = self._shared.get((account, symbol))  # an earlier incarnation may have reported another state
                slots = self._shared[account, symbol] = self._now_of(account, symbol, guards)
                said += [slots.said(account, symbol, most)] if before is None or before.cut != slots.cut else []
        return said

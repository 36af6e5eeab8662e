"""How a venue's bound of conditional orders of an account is shared by its positions. Pure.

Stops come before take-profits, and each position has at least one stop before another has a whole ladder. A part
stays free, so that a ladder can be placed before the one that it replaces goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from onetape.guardian.events import GuardianSettings, Record
from onetape.guardian.position_guard import PositionGuard

__all__ = ["NO_BOUND", "SharedSlots", "Slots", "slots_of"]

RESERVE: Final = 10  # a tenth of them stays free while ladders rest,
SPARE: Final = 4 * RESERVE  # and of that a quarter while they are placed, but by those that make room
NO_BOUND: Final = 1 << 30


class Slots(NamedTuple):
    """The slots for conditional orders that an account's positions share. each: stops that a position may have;
    has_targets: take-profits rest at the venue, too; free: orders that the venue still takes; reserve, spare: of them,
    as above; positions, others: that share them, orders of robots."""

    each: int = NO_BOUND
    has_targets: bool = True
    free: int = NO_BOUND
    reserve: int = 0
    spare: int = 0
    positions: int = 0
    others: int = 0
    is_short: bool = False  # some position has fewer than its ladder

    @property
    def cut(self) -> list[str]:
        cut = [f"{self.each} stops each"] if self.is_short else []
        return cut + ([] if self.has_targets else ["take-profits are local"])

    def said(self, account: str, most: int) -> Record:
        """Returns what to say of it. most: orders that the venue takes."""
        share = f"{self.positions} positions share {most} orders with a trigger"
        share += f", robots have {self.others} of them" if self.others else ""
        state = f"{share}: {', '.join(self.cut)}" if self.cut else "all ladders are whole"
        about = {"account": account, "positions": self.positions, "others": self.others, "each": self.each}
        return Record("ladders", account, state, about, "warning" if self.cut else "")


def slots_of(
    guards: Collection[PositionGuard], settings: GuardianSettings, most: int, others: int, *, had_targets: bool
) -> Slots:
    """Returns the shares of an account's positions. most: orders that the venue takes, 0: any; others: orders with a
    trigger that are not the guardian's; had_targets: take-profits rested at the venue until now. Where they did not,
    they need more room to come back."""
    if not most:
        return Slots()
    rules = [settings.of(each.instrument.symbol) for each in guards if each.target]
    reserve = max(most // RESERVE, 1)
    shared = most - others - reserve
    each = shared // len(rules) if rules else NO_BOUND
    wanted = sum(len(each.distances) + len(each.targets) for each in rules)
    is_short = any(len(of.distances) > each for of in rules)
    free = most - others - sum(each.orders for each in guards)
    has_targets = wanted <= shared - (0 if had_targets else reserve)
    return Slots(max(each, 1), has_targets, free, reserve, max(most // SPARE, 1), len(rules), others, is_short)


class SharedSlots:
    """Keeps how the positions of each account share its slots. caps: by account, how many orders with a trigger its
    venue takes; 0: any."""

    def __init__(self, settings: GuardianSettings, caps: Mapping[str, int]) -> None:
        self._settings, self._caps = settings, dict(caps)
        self._others: dict[str, int] = {}  # orders with a trigger that are not the guardian's
        self._shared: dict[str, Slots] = {}  # as of the last tick
        self._now: dict[str, Slots] = {}  # with what was placed since; not there: positions have changed

    def is_bound(self, account: str) -> bool:
        return self._caps.get(account, 0) > 0

    def others(self, account: str, count: int) -> None:
        self._others[account] = count
        self.changed(account)

    def changed(self, account: str) -> None:
        self._now.pop(account, None)

    def took(self, account: str, orders: int) -> None:
        """Takes in that so many are placed."""
        slots = self._now[account]
        self._now[account] = slots._replace(free=slots.free - orders)

    def shared(self, account: str) -> Slots:
        """Returns the shares as of the last tick."""
        return self._shared.get(account, Slots())

    def now(self, account: str, guards: Collection[PositionGuard]) -> Slots:
        """Returns the shares, with what was placed since the last tick. guards: of the account's positions."""
        if account not in self._now:
            had, most = self.shared(account).has_targets, self._caps.get(account, 0)
            others = self._others.get(account, 0)
            self._now[account] = slots_of(guards, self._settings, most, others, had_targets=had)
        return self._now[account]

    def has_targets(self, guard: PositionGuard) -> bool:
        """Returns whether its take-profits rest at the venue."""
        has_room = self.shared(guard.account).has_targets
        return bool(self._settings.of(guard.instrument.symbol).targets) and has_room

    def share(self, account: str, guards: Collection[PositionGuard]) -> Record | None:
        """Shares anew at each tick. Returns what is to be said where the bound cuts ladders, or no longer does."""
        if not self.is_bound(account):
            return None
        self.changed(account)
        before = self._shared.get(account)  # an earlier life may have said another one
        slots = self._shared[account] = self.now(account, guards)
        return slots.said(account, self._caps[account]) if before is None or before.cut != slots.cut else None

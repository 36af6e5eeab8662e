"""Implement the algorithms touch, join, peg, iceberg, and those that follow a schedule or the market's volume.

All end when the quantity is done. At the deadline the rest is taken at the touch, no worse than the limit; a rest
that the limit leaves is reported by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from onetape.execution.algorithm import Algorithm, Parent, View, Wish
from onetape.execution.amount import finite_of
from onetape.execution.schedule import Profile, Schedule, clips_of, even, front_loaded, make_schedule, profiled
from onetape.model.time import parse_period

__all__ = ["ALGORITHMS", "make_algorithm"]

SPREAD: Final = 0.5  # largest random delay of a clip, as a share of its interval
URGENCY: Final = 2.0


@dataclass(slots=True)
class Touch:
    """Takes the opposite touch at once, no worse than the limit."""

    parent: Parent
    follows_quotes: bool = True
    follows_trades: bool = False

    def wish(self, view: View) -> Wish:
        return _taking(self.parent, view, view.left)


@dataclass(slots=True)
class Join:
    """Rests at the best price of its own side and follows it when it moves away."""

    parent: Parent
    follows_quotes: bool = True
    follows_trades: bool = False

    def wish(self, view: View) -> Wish:
        return _resting(self.parent, view, view.bid if self.parent.side > 0 else view.ask)


@dataclass(slots=True)
class Peg:
    """Rests at the mid price, rounded to the passive side, or joins where the spread is one tick."""

    parent: Parent
    follows_quotes: bool = True
    follows_trades: bool = False

    def wish(self, view: View) -> Wish:
        if view.bid is None or view.ask is None:
            return _resting(self.parent, view, None)
        middle = view.bid + view.ask
        price = middle // 2 if self.parent.side > 0 else -(-middle // 2)
        price = min(price, view.ask - 1) if self.parent.side > 0 else max(price, view.bid + 1)
        return _resting(self.parent, view, price)


@dataclass(slots=True)
class Iceberg:
    """Shows one clip at a time: at the limit, without a limit at the best price of its own side."""

    parent: Parent
    follows_quotes: bool = True
    follows_trades: bool = False

    def wish(self, view: View) -> Wish:
        own = view.bid if self.parent.side > 0 else view.ask
        return _resting(self.parent, view, self.parent.limit if self.parent.limit is not None else own)


@dataclass(slots=True)
class Scheduled:
    """Takes each clip at the touch when it is due: TWAP, VWAP and shortfall, by the schedule."""

    parent: Parent
    schedule: Schedule
    follows_quotes: bool = False
    follows_trades: bool = False

    def wish(self, view: View) -> Wish:
        wake = self.schedule.next_after(view.now)
        done = self.parent.lots - view.left
        due = min(self.schedule.due(view.now), _capped(self.parent, view))
        return _woken(_taking(self.parent, view, min(due - done, view.left)), wake, self.parent)


@dataclass(slots=True)
class Participating:
    """Takes its share of the market's volume (POV): a clip whenever that much is due."""

    parent: Parent
    follows_quotes: bool = False
    follows_trades: bool = True

    def wish(self, view: View) -> Wish:
        done = self.parent.lots - view.left
        due = min(_capped(self.parent, view) - done, view.left)
        clip = min(max(self.parent.clip or 1, self.parent.least), view.left)
        return _woken(_taking(self.parent, view, due if due >= clip else 0), None, self.parent)


def _capped(parent: Parent, view: View) -> int:
    """Returns the lots that the cap on participation allows by now; at the deadline all."""
    if parent.participation is None or (parent.deadline is not None and view.now >= parent.deadline):
        return parent.lots
    return min(int(view.traded * parent.participation), parent.lots)


def _taking(parent: Parent, view: View, lots: int) -> Wish:
    """Returns a wish at the opposite touch; a market order without quote and limit."""
    if lots <= 0:
        return Wish()
    touch = view.ask if parent.side > 0 else view.bid
    limit = parent.limit
    if limit is None:
        return Wish(lots, touch)
    if touch is None:
        return Wish(lots, limit)
    if (touch - limit) * parent.side > 0:
        return Wish()  # the market is worse than the limit: wait
    return Wish(lots, touch)


def _resting(parent: Parent, view: View, price: int | None) -> Wish:
    """Returns a post-only wish at `price`, no worse than the limit; at the deadline the rest is taken."""
    if parent.deadline is not None and view.now >= parent.deadline:
        return _taking(parent, view, view.left)
    wake = parent.deadline
    if price is None:
        return Wish(wake=wake)
    if parent.limit is not None and (price - parent.limit) * parent.side > 0:
        price = parent.limit
    # the venue would refuse a post-only order at this price
    if (opposite := view.ask if parent.side > 0 else view.bid) is not None:
        price = min(price, opposite - 1) if parent.side > 0 else max(price, opposite + 1)
    if view.working and view.working_price is not None and view.working_price != price:
        ripe = view.since + parent.age
        is_allowed = parent.limit is None or (view.working_price - parent.limit) * parent.side <= 0
        if is_allowed and (view.now < ripe or abs(view.working_price - price) <= parent.within):
            if view.now < ripe:
                wake = ripe if wake is None else min(wake, ripe)
            price = view.working_price
    lots = min(parent.clip or view.left, view.left)
    if view.working and view.working_price == price:
        lots = min(view.working, view.left)  # keep the queue position until filled
    return Wish(lots, price, post_only=True, wake=wake)


def _woken(wish: Wish, at: int | None, parent: Parent) -> Wish:
    times = [each for each in (at, parent.deadline) if each is not None]
    return Wish(wish.lots, wish.price, wish.post_only, min(times) if times else None)


ALGORITHMS: Final = ("touch", "join", "peg", "twap", "vwap", "pov", "iceberg", "shortfall")
_RESTING: Final = frozenset({"join", "peg", "iceberg"})
_TIMED: Final = frozenset({"twap", "vwap", "shortfall"})


def make_algorithm(name: str, parent: Parent, draw: Callable[[], float], options: Mapping[str, Any]) -> Algorithm:
    """Returns the algorithm of that name. draw: returns a random number from 0 to 1. options: `urgency` of
    shortfall, `profile` of vwap, `spread` of those with a schedule, `within` and `age` of those that rest. Raises
    ValueError for an unknown name or invalid option."""
    left = dict(options)
    made = _made(name, parent, draw, left)
    if left:
        raise ValueError(f"{name} knows no option {next(iter(left))!r}")
    return made


def _made(name: str, parent: Parent, draw: Callable[[], float], options: dict[str, Any]) -> Algorithm:
    if name in _TIMED:
        if parent.deadline is None or parent.deadline <= parent.start:
            raise ValueError(f"{name} needs minutes=, or a deadline= in the future")
        spread = float(finite_of("spread", options.pop("spread", SPREAD)))
        if not 0 <= spread <= 1:
            raise ValueError(f"spread is between 0 and 1, not {spread!r}")
        profile: Profile = even
        if name == "shortfall":
            profile = front_loaded(float(finite_of("urgency", options.pop("urgency", URGENCY))))
        elif name == "vwap":
            volumes: Sequence[float] = options.pop("profile", ())
            profile = profiled(volumes) if volumes else even
        duration = parent.deadline - parent.start
        clips = clips_of(parent.lots, duration, parent.clip, parent.least)
        schedule = make_schedule(profile, parent.lots, parent.start, duration, clips, draw, spread)
        return Scheduled(parent, schedule, follows_trades=parent.participation is not None)
    if name == "pov":
        if parent.participation is None:
            raise ValueError("pov needs participation=, its share of the market's volume")
        return Participating(parent)
    if name in _RESTING:
        within, age = int(finite_of("within", options.pop("within", 0))), options.pop("age", None)
        if within < 0:
            raise ValueError(f"within is ticks, 0 or more, not {within!r}")
        parent = replace(parent, within=within, age=0 if age is None else parse_period(str(age)))
    if name == "iceberg":
        if parent.clip is None:
            raise ValueError("iceberg needs clip=, the quantity shown at a time")
        return Iceberg(parent)
    match name:
        case "touch":
            return Touch(parent)
        case "join":
            return Join(parent)
        case "peg":
            return Peg(parent)
    raise ValueError(f"there is no algorithm {name!r}; there are {', '.join(ALGORITHMS)}")

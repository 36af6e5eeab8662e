"""Where the stops of a position rest, and how much of it each takes off.

Sizes and triggers are in units of the instrument, prices in quote per unit of base as its prices
are; an entry price is a fraction, because an average has more digits than a tick. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

from onetape.model.instrument import Instrument

__all__ = [
    "Ladder",
    "LevelShares",
    "Rung",
    "distance_of",
    "drawn_in",
    "ladder_of",
    "levels_of",
    "needs_ladder",
    "pieces",
    "protectable",
]

SLACK: Final = 20  # a ladder is off when it differs from the position by more than a twentieth of it
# Where levels lie beyond the liquidation price, the farthest is moved to this share of the way from there to the
# entry: the venue would close the position before a stop at the liquidation price itself is filled.
INSIDE: Final = Fraction(1, 10)


class Rung(NamedTuple):
    """One stop: rank of its level, 0 is the nearest to the entry; size: not signed."""

    rank: int
    trigger: int
    size: int


class Ladder(NamedTuple):
    """Holds the stops of one position. rungs: nearest first; moved: ranks of levels that the liquidation price has
    moved inside; left: of the position, what no stop can take off because it is less than the venue trades."""

    rungs: tuple[Rung, ...]
    moved: tuple[int, ...]
    left: int


def ladder_of(
    instrument: Instrument,
    qty: int,
    entry: Fraction,
    distances: Sequence[Decimal],
    *,
    price: int = 0,
    floors: Mapping[int, int] = {},
    liquidation: Fraction | None = None,
    most: int = 0,
) -> Ladder:
    """Returns the stops of a position: a share for each distance, the last one takes the remainder. Where the shares
    would be less than the venue trades there are fewer of them, the nearest ones.

    qty: signed, not 0; entry: units of price, positive; distances: shares of the entry, ascending.
    price: where the market is, 0: unknown; levels that it has passed have no stop. floors: triggers that the levels had
    before, by rank: none is ever farther from the market than that.
    liquidation: the venue's liquidation price, units; None: there is none. most: stops that there may be, 0: any; one
    that the venue takes only in pieces is more of them.
    """
    size = protectable(instrument, qty)
    sign = 1 if qty > 0 else -1
    levels = []
    moved = []
    found = levels_of(instrument, sign, entry, distances, floors=floors, liquidation=liquidation)
    for rank, (trigger, is_moved) in enumerate(found):
        if not price or (price - trigger) * sign > 0:
            levels.append((rank, trigger))
            if is_moved:
                moved.append(rank)
    if not size or not levels:
        return Ladder((), (), abs(qty))
    step, least, top = instrument.market_steps
    count, share, rest = 1, size, size
    for count in range(len(levels), 0, -1):
        share = size // count // step * step
        rest = size - share * (count - 1)
        orders = (count - 1) * _count(share, top) + _count(rest, top)
        if share >= least and (not most or orders <= most):
            break
    rungs: list[Rung] = []
    for number, (rank, trigger) in enumerate(levels[:count]):
        part = share if number < count - 1 else rest
        rungs += (Rung(rank, trigger, piece) for piece in _pieces(part, step, top))
    return Ladder(tuple(rungs), tuple(moved), abs(qty) - size)


def levels_of(
    instrument: Instrument,
    sign: int,
    entry: Fraction,
    distances: Sequence[Decimal],
    *,
    floors: Mapping[int, int] = {},
    liquidation: Fraction | None = None,
) -> list[tuple[int, bool]]:
    """Returns for each distance the trigger of its level, and whether the liquidation price has moved it. sign: of the
    position; the others as `ladder_of` takes them."""
    levels = triggers = [_trigger(instrument, sign, entry * (1 - sign * Fraction(each))) for each in distances]
    if (
        liquidation is not None
        and levels
        and (liquidation - levels[-1]) * sign >= 0
        and (entry - liquidation) * sign > 0
    ):
        limit = liquidation + (entry - liquidation) * INSIDE
        levels = drawn_in(instrument, sign, entry, distances, limit)
    return [
        (sign * max(sign * level, sign * floors.get(rank, level)), level != trigger)
        for rank, (level, trigger) in enumerate(zip(levels, triggers, strict=True))
    ]


def drawn_in(
    instrument: Instrument,
    sign: int,
    entry: Fraction,
    distances: Sequence[Decimal],
    limit: Fraction,
    *,
    near: Fraction | None = None,
) -> list[int]:
    """Returns the trigger of each distance, none farther than a limit. Levels that would be are spread between the last
    one that is not and the limit, as far apart as their distances are; where there is no such level, between `near`, by
    default the entry price, and the limit."""
    shares = [Fraction(each) for each in distances]
    levels = [entry * (1 - sign * each) for each in shares]
    kept = sum((level - limit) * sign >= 0 for level in levels)
    at, begin = (shares[kept - 1], levels[kept - 1]) if kept else (Fraction(0), entry if near is None else near)
    spread = [begin - (begin - limit) * (each - at) / (shares[-1] - at) for each in shares[kept:]]
    return [_trigger(instrument, sign, level) for level in (*levels[:kept], *spread)]


def protectable(instrument: Instrument, qty: int) -> int:
    """Returns how much of a position stops can take off: whole lots, if they are not less than the venue trades."""
    step, least, _ = instrument.market_steps
    size = abs(qty) // step * step
    return size if size >= least else 0


def pieces(instrument: Instrument, size: int) -> list[int]:
    """Returns a quantity as market orders that the venue takes: whole lots, none too great; [] where it is too
    little."""
    step, least, most = instrument.market_steps
    size = size // step * step
    return _pieces(size, step, most) if size >= least else []


def needs_ladder(protected: int, size: int) -> bool:
    """Tells whether the stops that rest are off by more than 5 % of what they should protect."""
    return abs(protected - size) * SLACK > size


def distance_of(entry: Fraction, price: int, qty: int) -> Fraction:
    """Returns how far a price has gone against a position, as a share of its entry price; negative: it is in profit."""
    return (entry - price) / entry if qty > 0 else (price - entry) / entry


@dataclass(slots=True)
class LevelShares:
    """Says what local stops leave of a position at each level: each level takes its share once, of `base`, what was
    held before a level was passed. left: the share that the farthest level that was passed leaves."""

    base: int = 0
    left: Fraction = Fraction(1)

    def hold(self, qty: int, was: int) -> None:
        """Takes in what is held, signed. Where something else than a level has taken off, a target or a robot, the
        levels share what it has left."""
        size = abs(qty)
        if qty * was <= 0 or size > self.base:
            self.base, self.left = size, Fraction(1)
        elif size < self.base * self.left:
            self.leave(qty)

    def leave(self, qty: int) -> None:
        """Takes in that what is held, signed, is just what the levels leave that were passed."""
        self.base = ceil(abs(qty) / self.left) if self.left else abs(qty)

    def close(self, qty: int, working: int, passed: int, count: int, closing: int = 0) -> int:
        """Returns how much is to be closed at the market now, because the price is beyond levels whose stops do not
        stand: what lies beyond them, less what has been closed since and what stops of the venue will close. working:
        of these; count: of levels; closing: what closes at the market take off that are under way."""
        if not passed:
            return 0
        left = Fraction(count - passed, count)
        self.left = min(self.left, left)
        held = abs(qty) - closing
        return max(0, min(held - int(self.base * left), held - working))


def _trigger(instrument: Instrument, sign: int, level: Fraction) -> int:
    """Returns a level on the tick, on the side of the market."""
    tick = max(int(instrument.tick.scaleb(instrument.price_decimals)), 1)
    ticks = level / tick
    return (ceil(ticks) if sign > 0 else int(ticks // 1)) * tick


def _count(size: int, most: int) -> int:
    """Returns in how many orders it goes, of which none is greater than the greatest, 0: there is none."""
    return -(-size // most) if most else 1


def _pieces(size: int, step: int, most: int) -> list[int]:
    """Returns pieces as even as lots allow, none above the greatest quantity."""
    count = _count(size, most)
    lots, more = divmod(size // step, count)
    return [(lots + (number < more)) * step for number in range(count)]

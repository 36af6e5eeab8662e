"""Triggers and sizes of a position's stops.

Sizes and triggers are in units of the instrument, prices in its quote per unit of base; an entry price is a fraction,
because an average has more digits than a tick. Pure.
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

SLACK: Final = 20  # a ladder must be replaced when it differs from the position by more than a twentieth
# Levels beyond the liquidation price are moved inside: the farthest to this share of the way from the liquidation
# price to the entry. A stop at the liquidation price itself would be too late.
INSIDE: Final = Fraction(1, 10)


class Rung(NamedTuple):
    """One stop: rank of its level, 0 is the nearest to the entry; size: not signed."""

    rank: int
    trigger: int
    size: int


class Ladder(NamedTuple):
    """The stops of one position. rungs: nearest first; moved: ranks of levels that were moved inside the liquidation
    price; left: quantity without a stop, because it is below the venue's minimum."""

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
    """Returns the stops of a position: a share for each distance, the last one takes the remainder. If shares are
    below the venue's minimum, only the nearest levels get stops.

    qty: signed, not 0; entry: units of price, positive; distances: shares of the entry, ascending.
    price: the market's, 0: unknown; levels that it has passed get no stop. floors: rank -> previous trigger: no level
    moves farther away. liquidation: the venue's liquidation price, units; None: there is none. most: maximum number
    of stops, 0: any; a level that must be split into several orders counts as several.
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
    """Returns (trigger of the level, whether the liquidation price moved it) for each distance. sign: of the
    position; other parameters as in `ladder_of`."""
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
    """Returns the trigger of each distance, none farther than `limit`. Levels beyond it are spread between the last
    level within it (without one: `near`, by default the entry price) and the limit, in proportion to their
    distances."""
    shares = [Fraction(each) for each in distances]
    levels = [entry * (1 - sign * each) for each in shares]
    kept = sum((level - limit) * sign >= 0 for level in levels)
    at, begin = (shares[kept - 1], levels[kept - 1]) if kept else (Fraction(0), entry if near is None else near)
    spread = [begin - (begin - limit) * (each - at) / (shares[-1] - at) for each in shares[kept:]]
    return [_trigger(instrument, sign, level) for level in (*levels[:kept], *spread)]


def protectable(instrument: Instrument, qty: int) -> int:
    """Returns the quantity of a position that stops can cover: whole lots, if they reach the venue's minimum."""
    step, least, _ = instrument.market_steps
    size = abs(qty) // step * step
    return size if size >= least else 0


def pieces(instrument: Instrument, size: int) -> list[int]:
    """Returns the sizes of market orders that a quantity is split into, in whole lots; [] if it is too small."""
    step, least, most = instrument.market_steps
    size = size // step * step
    return _pieces(size, step, most) if size >= least else []


def needs_ladder(protected: int, size: int) -> bool:
    """Returns True when the working stops differ by more than 5 % from the quantity to protect."""
    return abs(protected - size) * SLACK > size


def distance_of(entry: Fraction, price: int, qty: int) -> Fraction:
    """Returns the adverse move of a price, as a share of the position's entry price; negative: it is in profit."""
    return (entry - price) / entry if qty > 0 else (price - entry) / entry


@dataclass(slots=True)
class LevelShares:
    """How much of a position local stops leave at each level. Each level closes its share of `base` once; base:
    quantity before any level was passed; left: share left at the farthest passed level."""

    base: int = 0
    left: Fraction = Fraction(1)

    def hold(self, qty: int, was: int) -> None:
        """Handle a change of the signed position. After a reduction by a target or a robot the remaining levels
        divide the rest."""
        size = abs(qty)
        if qty * was <= 0 or size > self.base:
            self.base, self.left = size, Fraction(1)
        elif size < self.base * self.left:
            self.leave(qty)

    def leave(self, qty: int) -> None:
        """Set the base so that the passed levels leave exactly this signed position."""
        self.base = ceil(abs(qty) / self.left) if self.left else abs(qty)

    def close(self, qty: int, working: int, passed: int, count: int, closing: int = 0) -> int:
        """Returns the quantity to close at market now, because the price has passed levels without working stops: the
        passed levels' share, less the quantity closed since and that of the venue's stops. working: quantity of the
        venue's stops; count: number of levels; closing: quantity of market closes under way."""
        if not passed:
            return 0
        left = Fraction(count - passed, count)
        self.left = min(self.left, left)
        held = abs(qty) - closing
        return max(0, min(held - int(self.base * left), held - working))


def _trigger(instrument: Instrument, sign: int, level: Fraction) -> int:
    """Returns a level in price units, rounded to the tick toward the market."""
    tick = max(int(instrument.tick.scaleb(instrument.price_decimals)), 1)
    ticks = level / tick
    return (ceil(ticks) if sign > 0 else int(ticks // 1)) * tick


def _count(size: int, most: int) -> int:
    """Returns the number of orders for a quantity, given the maximum size, 0: no maximum."""
    return -(-size // most) if most else 1


def _pieces(size: int, step: int, most: int) -> list[int]:
    """Returns the quantity in nearly equal pieces of whole lots (`step`), none above `most`."""
    count = _count(size, most)
    lots, more = divmod(size // step, count)
    return [(lots + (number < more)) * step for number in range(count)]

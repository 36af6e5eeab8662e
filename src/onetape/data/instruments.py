"""The instruments of an import: given, catalogued, or inferred from the data's own decimals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from onetape.model import catalogue, inference
from onetape.model.errors import UsageError
from onetape.model.instrument import DECIMALS_MAX, Instrument
from onetape.model.user_instruments import parse_instruments
from onetape.model.user_rules import UserRules, parse_rules

# A lot where nothing tells: data without sizes, or volumes that are averages of sums.
LOT_DECIMALS_DEFAULT: Final = 8
# A tick where there are no prices: funding alone, or marks, which are averages.
TICK_DECIMALS: Final = 8
SNAPPED_DIGITS: Final = 9
# Bars alone are too few prices to tell a tick by their decimals: it is not much coarser than a ten-thousandth of them.
# So many decimals fewer than int64 has room for are that: 18 for the digits of 10**18, 4 for the ten-thousandth.
TICK_ROOM: Final = 14


# How many numbers need so many decimals, and fit int64 with at most so many; and how many need so
# many at the 15 digits that a double is sure of. 19: more.
Seen = tuple[Mapping[tuple[int, int], int], Mapping[int, int]]
NOTHING: Final[Seen] = ({}, {})


@dataclass(frozen=True, slots=True)
class Numbers:
    """The decimals that a stream's numbers need. `reference` are marks and indices, `volume` are sums: they
    must be representable, and say nothing of tick and lot."""

    price: Seen
    size: Seen
    reference: Seen = NOTHING
    volume: Seen = NOTHING

    def __or__(self, other: Numbers) -> Numbers:
        return Numbers(
            _sum(self.price, other.price),
            _sum(self.size, other.size),
            _sum(self.reference, other.reference),
            _sum(self.volume, other.volume),
        )


def decimals_for(seen: Seen) -> int:
    """Returns the decimals at which most of the numbers can be kept, most of them exactly; of equals the fewest.

    Almost always that is: all of them, at the most decimals that any is written with. Where one
    senseless number would crowd out the others, it is the one that does not fit; where a float
    was printed with all its digits, those that int64 has no room for go, not the row.
    """

    def fitting(decimals: int) -> tuple[int, int, int]:
        kept = exact = 0
        for (needed, possible), count in seen[0].items():
            if decimals > possible:
                continue
            if needed <= decimals:
                exact += count
            # What is cut is below 1e-9 of a number that fills all but 9 digits: see scale_snapped.
            if needed <= decimals or possible - decimals <= SNAPPED_DIGITS:
                kept += count
        return kept, exact, -decimals

    return max(range(DECIMALS_MAX + 1), key=fitting)


def _room(seen: Seen) -> int:
    """Returns how many decimals most of the numbers have room for in int64: of larger ones fewer."""
    rooms: Counter[int] = Counter()
    for (_, possible), count in seen[0].items():
        rooms[possible] += count
    return rooms.most_common(1)[0][0]


def most_decimals(seen: Seen, *, limit: int) -> int:
    """Returns the most decimals of those numbers that have no more than `limit`, at 15 digits: noise of printed floats
    says nothing of a tick."""
    return max((needed for needed in seen[1] if needed <= limit), default=0)


def _sum(first: Seen, second: Seen) -> Seen:
    return Counter(first[0]) + Counter(second[0]), Counter(first[1]) + Counter(second[1])


def read_instruments(path: Path | None) -> dict[str, Instrument]:
    """Reads those of `--instruments FILE`. Raises UsageError where it cannot be read."""
    return {} if path is None else parse_instruments(_text(path), location=str(path))


def read_rules(path: Path | None) -> UserRules:
    """Returns the venue's rules of the same file."""
    return UserRules() if path is None else parse_rules(_text(path), location=str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", location=str(path)) from None


def find_instrument(symbol: str, own: dict[str, Instrument], at: int | None) -> Instrument | None:
    """Given by the user, else the catalogue's version at that time, else None."""
    return own.get(symbol) or catalogue.find(symbol, at)


def fitted(symbol: str, listed: Instrument | None, numbers: Numbers) -> Instrument:
    """Returns an instrument that holds all these numbers, as far as 64 bits do."""
    price_decimals = decimals_for(_sum(numbers.price, numbers.reference))
    size_decimals = decimals_for(_sum(numbers.size, numbers.volume))
    tick_decimals = most_decimals(numbers.price, limit=price_decimals)
    if listed is not None:
        return _widened(
            inference.fit(listed, price_decimals=tick_decimals, size_decimals=size_decimals),
            price_decimals,
            size_decimals,
        )
    defaulted: tuple[str, ...] = ()
    if numbers.volume[0] and not numbers.size[0]:
        tick_decimals = max(tick_decimals, min(_room(numbers.price), DECIMALS_MAX) - TICK_ROOM)
        price_decimals = max(price_decimals, tick_decimals)
    if numbers.size[0]:
        lot_decimals = most_decimals(numbers.size, limit=size_decimals)
    elif numbers.volume[0]:
        lot_decimals = min(most_decimals(numbers.volume, limit=size_decimals), LOT_DECIMALS_DEFAULT)
    else:
        lot_decimals = LOT_DECIMALS_DEFAULT
        defaulted = ("lot",)
    if not numbers.price[0]:
        # Marks are finer than ticks, and funding says nothing: the safe tick is the finest.
        defaulted += ("tick",)
        tick_decimals = min(most_decimals(numbers.reference, limit=price_decimals), TICK_DECIMALS)
        if not numbers.reference[0]:
            tick_decimals = TICK_DECIMALS
    instrument = inference.infer(symbol, price_decimals=tick_decimals, size_decimals=lot_decimals)
    if defaulted:
        instrument = msgspec.structs.replace(
            instrument,
            inferred=tuple(name for name in instrument.inferred if name not in defaulted),
            defaulted=instrument.defaulted + defaulted,
        )
    return _widened(instrument, price_decimals, size_decimals)


def _widened(instrument: Instrument, price_decimals: int, size_decimals: int) -> Instrument:
    """Room for more decimals; tick and lot stay what they are."""
    return msgspec.structs.replace(
        instrument,
        price_decimals=max(price_decimals, instrument.price_decimals),
        size_decimals=max(size_decimals, instrument.size_decimals),
    )

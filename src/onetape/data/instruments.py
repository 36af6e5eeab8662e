"""Find the instruments of an import: the user's, the catalogue's, or inferred from the data's decimals."""

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

# The lot for data without sizes, or whose volumes are averages of sums.
LOT_DECIMALS_DEFAULT: Final = 8
# The tick for data without traded prices: only funding, or only marks, which are averages.
TICK_DECIMALS: Final = 8
SNAPPED_DIGITS: Final = 9
# Bars alone have too few prices to infer a tick from their decimals, so the tick is about a ten-thousandth of the
# price. That is this many decimals fewer than int64 allows: 18 digits of 10**18, less 4 for the ten-thousandth.
TICK_ROOM: Final = 14


# Counts of numbers: by (needed decimals, most decimals at which they fit int64), and by decimals when rounded to the 15
# exact digits of a double. 19: more than 18.
Seen = tuple[Mapping[tuple[int, int], int], Mapping[int, int]]
NOTHING: Final[Seen] = ({}, {})


@dataclass(frozen=True, slots=True)
class Numbers:
    """The decimals needed by a stream's numbers. reference: marks and indices; volume: sums. Both must be
    representable, but define neither tick nor lot."""

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
    """Returns the number of decimals at which most numbers fit, and most of these exactly; if several are equally good,
    the fewest. Almost always it is the largest number of decimals in the data. A single nonsensical number that would
    exclude the others is dropped; a float printed with all digits loses only the digits that int64 cannot hold, not its
    row.
    """

    def fitting(decimals: int) -> tuple[int, int, int]:
        kept = exact = 0
        for (needed, possible), count in seen[0].items():
            if decimals > possible:
                continue
            if needed <= decimals:
                exact += count
            # The dropped digits are below 1e-9 of the number: see scale_snapped.
            if needed <= decimals or possible - decimals <= SNAPPED_DIGITS:
                kept += count
        return kept, exact, -decimals

    return max(range(DECIMALS_MAX + 1), key=fitting)


def _room(seen: Seen) -> int:
    """Returns the number of decimals at which most numbers fit int64; larger numbers allow fewer."""
    rooms: Counter[int] = Counter()
    for (_, possible), count in seen[0].items():
        rooms[possible] += count
    return rooms.most_common(1)[0][0]


def most_decimals(seen: Seen, *, limit: int) -> int:
    """Returns the largest number of decimals, up to `limit`, of the numbers rounded to 15 digits: the noise of printed
    floats must not define a tick."""
    return max((needed for needed in seen[1] if needed <= limit), default=0)


def _sum(first: Seen, second: Seen) -> Seen:
    return Counter(first[0]) + Counter(second[0]), Counter(first[1]) + Counter(second[1])


def read_instruments(path: Path | None) -> dict[str, Instrument]:
    """Read the instruments of `--instruments FILE`. Raises UsageError if it cannot be read."""
    return {} if path is None else parse_instruments(_text(path), location=str(path))


def read_rules(path: Path | None) -> UserRules:
    """Read the venue rules in `--instruments FILE`."""
    return UserRules() if path is None else parse_rules(_text(path), location=str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the file cannot be read: {getattr(error, 'strerror', None) or error}".lower(),
            location=str(path),
            todo="check the path",
        ) from None


def find_instrument(symbol: str, own: dict[str, Instrument], at: int | None) -> Instrument | None:
    """Returns the user's instrument, else the catalogue's version at that time, else None."""
    return own.get(symbol) or catalogue.find(symbol, at)


def fitted(symbol: str, listed: Instrument | None, numbers: Numbers) -> Instrument:
    """Returns an instrument with enough decimals for all these numbers, as far as 64 bits allow."""
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
    if numbers.volume[0] and numbers.price[0] and not numbers.size[0]:
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
        # Marks are finer than ticks, and funding has no prices: the finest tick is safe.
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
    """Returns the instrument with at least these decimals; tick and lot are unchanged."""
    return msgspec.structs.replace(
        instrument,
        price_decimals=max(price_decimals, instrument.price_decimals),
        size_decimals=max(size_decimals, instrument.size_decimals),
    )

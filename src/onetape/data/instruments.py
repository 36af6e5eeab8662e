"""The instruments of an import: given, catalogued, or inferred from the data's own decimals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from onetape.model import catalogue, inference
from onetape.model.errors import UsageError
from onetape.model.given import parse_instruments
from onetape.model.instrument import Instrument

# int64 holds every number of 18 digits.
DIGITS_MAX: Final = 18
# A lot where nothing tells: data without sizes, or volumes that are averages of sums.
LOT_DECIMALS_DEFAULT: Final = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """The widest number of one quantity: decimals needed, digits before the point."""

    any: bool = False
    decimals: int = 0
    digits: int = 0

    def __or__(self, other: Seen) -> Seen:
        return Seen(
            self.any or other.any,
            max(self.decimals, other.decimals),
            max(self.digits, other.digits),
        )

    @property
    def decimals_kept(self) -> int:
        """Decimals that fit 64 bits beside the digits before the point."""
        return max(0, min(self.decimals, DIGITS_MAX - self.digits))


NOTHING: Final = Seen()


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a stream's numbers need. `reference` are marks and indices, `volume` are sums: they
    must be representable, and say nothing of tick and lot."""

    price: Seen = NOTHING
    size: Seen = NOTHING
    reference: Seen = NOTHING
    volume: Seen = NOTHING

    def __or__(self, other: Numbers) -> Numbers:
        return Numbers(
            self.price | other.price,
            self.size | other.size,
            self.reference | other.reference,
            self.volume | other.volume,
        )


def given_instruments(path: Path | None) -> dict[str, Instrument]:
    """Those of `--instruments FILE`. Raises UsageError where it cannot be read."""
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from None
    return parse_instruments(text, where=str(path))


def known_instrument(
    symbol: str, given: dict[str, Instrument], at: int | None
) -> Instrument | None:
    """Given by the user, else the catalogue's version at that time, else None."""
    return given.get(symbol) or catalogue.find(symbol, at)


def fitted(symbol: str, known: Instrument | None, numbers: Numbers) -> Instrument:
    """An instrument that holds all these numbers, as far as 64 bits do."""
    price = numbers.price | numbers.reference
    size = numbers.size | numbers.volume
    price_decimals = max(0, min(price.decimals, DIGITS_MAX - price.digits))
    size_decimals = max(0, min(size.decimals, DIGITS_MAX - size.digits))
    tick_decimals = min(numbers.price.decimals, price_decimals)
    if known is not None:
        return _widened(
            inference.fit(known, price_decimals=tick_decimals, size_decimals=size_decimals),
            price_decimals,
            size_decimals,
        )
    defaulted: tuple[str, ...] = ()
    if numbers.size.any:
        lot_decimals = min(numbers.size.decimals, size_decimals)
    elif numbers.volume.any:
        lot_decimals = min(numbers.volume.decimals, size_decimals, LOT_DECIMALS_DEFAULT)
    else:
        lot_decimals = LOT_DECIMALS_DEFAULT
        defaulted = ("lot",)
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

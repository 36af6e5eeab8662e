"""The followed instruments of a venue, and their numbers on a tape. Pure.

A number always means the same instrument in the same units: an instrument that is listed again, or with other price
decimals, gets a new number, so that prices of different instruments or units are never mixed. Other changes of its
facts make a new version under the same number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import structs

from onetape.market.wanted import Wanted
from onetape.model.instrument import Instrument

__all__ = ["CHANGED", "DELISTED", "DROPPED", "LISTED", "REDENOMINATED", "Change", "Listing", "Universe"]

LISTED: Final = "listed"
DELISTED: Final = "delisted"
DROPPED: Final = "dropped"  # others have more turnover: it still trades, and keeps its number
CHANGED: Final = "changed"  # other facts have changed: the number stays
REDENOMINATED: Final = "redenominated"  # its units or the venue's name have changed: it gets a new number

_OWN: Final = ("version", "valid_from", "origin")  # fields that a listing does not contain


class Listing(NamedTuple):
    number: int  # on the tape, from 1
    instrument: Instrument


class Change(NamedTuple):
    what: str
    listing: Listing


class Universe:
    """Keeps the universe. recovered: the numbers that a tape already has, with their instruments. needed: symbols that
    are followed whatever their turnover."""

    def __init__(
        self, wanted: Wanted, recovered: Mapping[int, Instrument] | None = None, needed: Collection[str] = ()
    ) -> None:
        self.wanted, self._needed = wanted, frozenset(needed)
        self.epoch = 0  # increased when the choice by turnover changes
        self.listings: dict[str, Listing] = {}  # symbol -> listing, of instruments that trade now
        self._last = {i.symbol: Listing(number, i) for number, i in sorted((recovered or {}).items())}
        self._next = max(recovered or {}, default=0) + 1
        self._gone: set[str] = set()  # symbols whose end this process has seen

    def update(self, listed: Sequence[Instrument], turnovers: Mapping[str, float], now: int) -> list[Change]:
        """Returns the changes, removals first. listed: all instruments that trade now. turnovers: symbol ->
        turnover of 24 hours; empty: the choice by turnover stays. now: ns UTC."""
        by_symbol = {i.symbol: i for i in listed}
        chosen = self._chosen(by_symbol, turnovers)
        going = [(symbol, each) for symbol, each in self.listings.items() if symbol not in chosen]
        changes = [Change(DROPPED if symbol in by_symbol else DELISTED, each) for symbol, each in going]
        for symbol, _ in going:
            del self.listings[symbol]
        self._gone |= self._last.keys() - by_symbol.keys()
        for symbol in chosen:
            found = self._one(by_symbol[symbol], now)
            if found is not None:
                self.listings[symbol] = self._last[symbol] = found.listing
                changes.append(found)
        self.epoch += any(each.what != CHANGED for each in changes)
        return changes

    def missing(self) -> list[str]:
        """Returns the symbols configured by name that do not trade."""
        return sorted(self.wanted.names - self.listings.keys())

    def _chosen(self, by_symbol: Mapping[str, Instrument], turnovers: Mapping[str, float]) -> Collection[str]:
        if self.wanted.names:
            return [symbol for symbol in by_symbol if symbol in self.wanted.names]
        if not self.wanted.top:
            return by_symbol
        if not turnovers:
            return [symbol for symbol in self.listings if symbol in by_symbol]
        of = {symbol: turnovers.get(symbol, 0.0) for symbol in by_symbol}
        return self.wanted.chosen(of, self.listings, self._needed)

    def _one(self, instrument: Instrument, now: int) -> Change | None:
        symbol = instrument.symbol
        current, last = self.listings.get(symbol), self._last.get(symbol)
        if last is None:
            return Change(LISTED, self._new(instrument, 1, now))
        is_same = _facts(last.instrument) == _facts(instrument)
        if current is not None and is_same:
            return None
        is_read_alike = _units(last.instrument) == _units(instrument)
        if symbol in self._gone or not is_read_alike:
            what = REDENOMINATED if current is not None else LISTED
            self._gone.discard(symbol)
            return Change(what, self._new(instrument, last.instrument.version + 1, now))
        if is_same:  # an earlier run of this process followed it
            return Change(LISTED, last)
        made = structs.replace(instrument, version=last.instrument.version + 1, valid_from=now)
        return Change(CHANGED if current is not None else LISTED, Listing(last.number, made))

    def _new(self, instrument: Instrument, version: int, now: int) -> Listing:
        made = structs.replace(instrument, version=version, valid_from=now if version > 1 else 0)
        listing = Listing(self._next, made)
        self._next += 1
        return listing


def _facts(instrument: Instrument) -> dict[str, object]:
    return {name: value for name, value in structs.asdict(instrument).items() if name not in _OWN}


def _units(i: Instrument) -> tuple[object, ...]:
    """Returns the facts that define an instrument's units."""
    return i.raw_symbol, i.kind, i.price_decimals, i.size_decimals, i.multiplier

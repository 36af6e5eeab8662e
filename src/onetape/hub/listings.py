"""Maps the streams of the sources to listings of symbols. Pure.

A listing is an instrument from its listing to its delisting or to a change of its units. It has a number of the hub's
own, which is never reused: a stream belongs to a listing by the instrument that it was announced with, never by its
place in a list, so a price cannot appear under another symbol, nor in other units, whatever is listed, delisted or
redenominated meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import structs

from onetape.model.instrument import Instrument

__all__ = ["Listing", "Listings", "Placed"]

_SAID_BY_SOURCE: Final = ("version", "valid_from", "origin", "inferred", "defaulted")


@dataclass(slots=True)
class Listing:
    """One listing of an instrument. number: from 0."""

    number: int
    instrument: Instrument
    is_ended: bool = False
    sources: set[int] = field(default_factory=set)  # numbers of the sources that have a stream of it

    @property
    def symbol(self) -> str:
        return self.instrument.symbol


class Placed(NamedTuple):
    """The outcome of an announcement. listing: the one that it belongs to, None: none. is_new, is_changed: the
    instrument has to be written. ended: the listing that it replaced."""

    listing: Listing | None
    is_new: bool = False
    is_changed: bool = False
    ended: Listing | None = None


class Listings:
    """Numbers the listings of all sources. instruments: of earlier incarnations, by number."""

    def __init__(self, instruments: Iterable[Instrument] = (), ended: Iterable[int] = ()) -> None:
        self.all: list[Listing] = []
        self.current: dict[str, Listing] = {}
        self._streams: dict[tuple[int, int], Listing | None] = {}
        for instrument in instruments:
            self._new(instrument)
        for number in ended:
            self.all[number].is_ended = True

    def announced(self, source: int, stream: int, instrument: Instrument) -> Placed:
        """Handles a source's instrument frame."""
        if (source, stream) in self._streams:
            found = self._streams[source, stream]
            if found is not None and _units(found.instrument) == _units(instrument):
                return self._changed(found, instrument)
        current = self.current.get(instrument.symbol)
        if current is None or current.is_ended:
            return self._placed(source, stream, self._new(instrument), is_new=True)
        is_same = _units(current.instrument) == _units(instrument)
        if is_same and source not in current.sources:
            self._placed(source, stream, current)
            return self._changed(current, instrument)
        if not is_same and not self._is_newer(source, instrument, current):
            self._streams[source, stream] = None
            return Placed(None)
        # The source already has a stream of the current listing: the symbol was listed again, or has other units.
        current.is_ended = True
        return self._placed(source, stream, self._new(instrument), is_new=True, ended=current)

    def followed(self, source: int, instruments: Mapping[int, Instrument]) -> list[tuple[int, Placed]]:
        """Places the streams of a source that is followed from now on. Of several streams of one symbol the last one
        continues."""
        for key in [key for key in self._streams if key[0] == source]:
            listing = self._streams.pop(key)
            if listing is not None:
                listing.sources.discard(source)
        last = {instrument.symbol: stream for stream, instrument in sorted(instruments.items())}
        return [(stream, self.announced(source, stream, instruments[stream])) for stream in sorted(last.values())]

    def of(self, source: int, stream: int) -> Listing | None:
        return self._streams.get((source, stream))

    def ended_by(self, source: int, stream: int) -> Listing | None:
        """Handles the end of a listing by a source's stream. Returns the listing unless it had ended before."""
        listing = self._streams.get((source, stream))
        if listing is None or listing.is_ended:
            return None
        listing.is_ended = True
        return listing

    def followed_by(self, source: int, stream: int, *, is_followed: bool) -> Listing | None:
        """Notes whether a source follows its stream's active listing from now on. Returns the listing if that has
        changed."""
        listing = self._streams.get((source, stream))
        if listing is None or listing.is_ended or (source in listing.sources) == is_followed:
            return None
        (listing.sources.add if is_followed else listing.sources.discard)(source)
        return listing

    def _is_newer(self, source: int, instrument: Instrument, current: Listing) -> bool:
        if instrument.inferred and not current.instrument.inferred:
            return False
        return source in current.sources or instrument.version > current.instrument.version

    def _changed(self, listing: Listing, instrument: Instrument) -> Placed:
        """Updates facts that do not change the meaning of its numbers. Inferred facts never replace a venue's."""
        if instrument.version < listing.instrument.version or instrument.inferred:
            return Placed(listing)
        if _facts(instrument) == _facts(listing.instrument):
            return Placed(listing)
        listing.instrument = instrument
        return Placed(listing, is_changed=True)

    def _new(self, instrument: Instrument) -> Listing:
        before = self.current.get(instrument.symbol)
        if before is not None:
            before.is_ended = True
        listing = Listing(len(self.all), instrument)
        self.all.append(listing)
        self.current[instrument.symbol] = listing
        return listing

    def _placed(
        self, source: int, stream: int, listing: Listing, *, is_new: bool = False, ended: Listing | None = None
    ) -> Placed:
        self._streams[source, stream] = listing
        listing.sources.add(source)
        return Placed(listing, is_new=is_new, ended=ended)


def _units(i: Instrument) -> tuple[object, ...]:
    """Returns the facts that give numbers their meaning."""
    return i.raw_symbol, i.kind, i.price_decimals, i.size_decimals, i.multiplier, i.expiry


def _facts(instrument: Instrument) -> dict[str, object]:
    return {name: value for name, value in structs.asdict(instrument).items() if name not in _SAID_BY_SOURCE}

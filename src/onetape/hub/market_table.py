"""Writes the hub's market to shared memory (feeds/hub_table.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from onetape.feeds.hub_table import BAR, BOOK, FUNDING, LAYOUT, MARK, OPEN_INTEREST, QUOTE, TRADE, UNITS
from onetape.hub.listings import Listing
from onetape.model.errors import OnetapeError
from onetape.model.home import state_of
from onetape.model.sections import HUB
from onetape.tape.state import Group, StateReader, StateWriter
from onetape.tape.state_layout import FieldValue

__all__ = ["MarketTable"]

_KEY_BYTES_MAX: Final = 64
_KINDS: Final = (QUOTE, TRADE, MARK, FUNDING, OPEN_INTEREST)

Values = tuple[int, ...] | None
Levels = tuple[int, int, int, list[tuple[int, int, int, int]]] | None  # as in `Merge.levels`


class MarketTable:
    """Writes the market's table. A second writer is refused with JOURNAL_LOCKED. Bars of an earlier incarnation are
    kept, so that readers of many bars need not wait for new ones. listings: of its journal, by number."""

    def __init__(self, home: Path, klines: int, listings: Sequence[Listing] = ()) -> None:
        self._klines = klines
        kept = _kept_bars(home)
        self.kept: list[tuple[int, list[int]]] = []  # by number of listing, oldest first
        self._writer = StateWriter(state_of(home), HUB, LAYOUT)
        self._writer.publish()
        self._times: dict[str, dict[str, int]] = {spec.name: {} for spec in (*_KINDS, BOOK, BAR)}  # of present rows
        for each in kept:
            number = int(each["stream"] or 0) - 1
            if not 0 <= number < len(listings) or listings[number].is_ended:
                continue
            if each.key.startswith(f"{listings[number].symbol} "):
                self.kept.append((number, [int(each[name] or 0) for name in _BAR_FIELDS]))
                self.put_bar(listings[number], self.kept[-1][1], each.sequence)

    def put(self, listing: Listing, values: Sequence[Values], sequence: int) -> None:
        """Writes the values of a listing, as in `Merge.values`, after this frame of the journal."""
        key, instrument = listing.symbol, listing.instrument
        if len(key.encode()) > _KEY_BYTES_MAX:  # its name does not fit
            return
        for spec, numbers in zip(_KINDS, values, strict=True):
            if numbers is None:
                continue
            ts_event, *rest = numbers
            own = (listing.number + 1, instrument.price_decimals, instrument.size_decimals)
            named: dict[str, FieldValue] = dict(zip((name for name, _ in spec.fields), (*own, *rest), strict=True))
            self._put(spec.name, key, named, max(ts_event, 0), sequence)

    def put_book(self, listing: Listing, levels: Levels, sequence: int) -> None:
        """Writes the best levels, or removes a book without an unbroken chain."""
        key, instrument = listing.symbol, listing.instrument
        if levels is None or len(key.encode()) > _KEY_BYTES_MAX:
            if key in self._times[BOOK.name]:
                self._remove(BOOK.name, key)
            return
        _, ts_event, ts_recv, rows = levels
        own = (listing.number + 1, instrument.price_decimals, instrument.size_decimals, ts_recv)
        figures = (*own, *(figure for row in rows for figure in row))
        named: dict[str, FieldValue] = dict(zip((name for name, _ in BOOK.fields), figures, strict=True))
        self._put(BOOK.name, key, named, max(ts_event, 0), sequence)

    def put_bar(self, listing: Listing, bar: Sequence[int], sequence: int) -> None:
        """Writes a closed bar over the oldest: ts_open, period, open, high, low, close, volume, trades, low and high
        half of the turnover."""
        ts_open, period = bar[:2]
        key = f"{listing.symbol} {period // 10**9} {ts_open // period % self._klines}"
        if len(key.encode()) > _KEY_BYTES_MAX:
            return
        if self._times[BAR.name].get(key, ts_open) > ts_open + period:  # it is late, and there is no room for it
            return
        instrument = listing.instrument
        own = (listing.number + 1, instrument.price_decimals, instrument.size_decimals)
        named: dict[str, FieldValue] = dict(zip((name for name, _ in BAR.fields), (*own, *bar), strict=True))
        self._put(BAR.name, key, named, max(ts_open + period, 0), sequence)

    def remove(self, symbol: str) -> None:
        for key in [key for key in self._times[BAR.name] if key.startswith(f"{symbol} ")]:
            self._remove(BAR.name, key)
        for spec in (*_KINDS, BOOK):
            self._remove(spec.name, symbol)

    def alive(self, now: int) -> None:
        self._writer.heartbeat(now)
        self._writer.keep_in_place()

    def close(self) -> None:
        """Removes all but the bars, which stay for the next incarnation."""
        for spec in (*_KINDS, BOOK):
            for key in list(self._times[spec.name]):
                self._remove(spec.name, key)
        self._writer.close()

    def _put(self, kind: str, key: str, values: dict[str, FieldValue], ts: int, sequence: int) -> None:
        self._writer.put(kind, key, values, ts=ts, sequence=sequence)
        self._times[kind][key] = ts

    def _remove(self, kind: str, key: str) -> None:
        self._writer.remove(kind, key)
        self._times[kind].pop(key, None)


_BAR_FIELDS: Final = tuple(name for name, _ in BAR.fields[len(UNITS) :])


def _kept_bars(home: Path) -> list[Group]:
    """Returns the bars in the table of an earlier incarnation, oldest first."""
    try:
        state = StateReader(state_of(home), HUB, LAYOUT)
    except OnetapeError:  # there is none, or one of another version, or one torn in a machine crash
        return []
    found = state.groups(BAR.name).values()
    return sorted(found, key=lambda group: group.ts_data)

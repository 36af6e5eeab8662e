"""Follow a condition over the journals of a market: of running processes, or of a tape."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from onetape import _core
from onetape.market.condition import Condition, parse_condition
from onetape.market.wanted import Wanted
from onetape.model.errors import BadInput, ProcessDown, UnknownSymbol
from onetape.model.instrument import Instrument
from onetape.model.time import DAY, HOUR, SECOND, TIME_MAX
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from onetape.tape.wait import Waiter

__all__ = ["Match", "Scanner", "market_journals"]

FRAMES_MAX: Final = 1 << 18
SWEEP: Final = SECOND  # interval of evaluation without frames, as windows slide
GAP_MAX: Final = 8 * DAY  # longer gaps between frames have the same effect as this one
MATCHES_MAX: Final = 100_000
CHOSEN_EVERY: Final = 60 * SECOND  # interval of selecting the symbols with most turnover, live
PART: Final = 5 * 60 * SECOND  # the hour of turnover slides in such steps
_AGE: Final = parse_condition("age >= 0").values(())[0].steps
HUB: Final = "hub"
KINDS: Final = ("gateway-", "collector-", HUB)  # prefixes of journals with market data


def market_journals(home: Path) -> list[Path]:
    """Returns the journals of the running processes that record a market; with a running hub only the hub's, which
    merges the others. Raises ProcessDown where there is none."""
    found = []
    for path in sorted((home / "journal").glob("*")):
        if path.name.startswith(KINDS) and is_tape(path):
            with JournalReader(path) as reader:
                if reader.writer_alive:
                    found.append(path)
    merged = [path for path in found if path.name == HUB]
    if merged:
        return merged
    if not found:
        raise ProcessDown(
            "no running process records a market", location=str(home), todo="run onetape up, or give a tape: --data"
        )
    return found


@dataclass(slots=True)
class Match:
    """A symbol that met the condition. values: at that time, None: unknown. until: when it ended, ns; None: it still
    does."""

    symbol: str
    ts: int
    values: dict[str, float | None]
    age_ms: float | None  # age of the last quote when the match began
    until: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"symbol": self.symbol, "values": self.values, "age_ms": self.age_ms, "ts": self.ts, "until": self.until}


class _Turnovers:
    """Sums the turnover of the last hour by symbol. Each call reads the new frames."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._readers = [JournalReader(path) for path in paths]
        self._parts: list[dict[int, Counter[str]]] = [{} for _ in paths]
        for reader in self._readers:
            reader.seek_sequence(reader.last_sequence)
            last = frame.time if (frame := reader.next_frame()) is not None else 0
            reader.seek_time(last - HOUR)

    def look(self) -> Counter[str]:
        for reader, parts in zip(self._readers, self._parts, strict=True):
            for rows in reader.chunks("trade"):
                at = rows["time"] // PART
                for part in np.unique(at).tolist():
                    self._add(parts.setdefault(part, Counter()), reader, rows[at == part])
            for part in [part for part in parts if part < max(parts) - HOUR // PART]:
                del parts[part]
        return sum((each for parts in self._parts for each in parts.values()), Counter())

    def _add(self, counts: Counter[str], reader: JournalReader, rows: NDArray[np.void]) -> None:
        for stream, record in reader.instruments.items():
            its = rows[rows["stream"] == stream]
            unit = 10.0 ** -(record["price_decimals"] + record["size_decimals"])
            counts[record["symbol"]] += (its["price"].astype(float) * its["size"]).sum() * unit

    def close(self) -> None:
        for reader in self._readers:
            reader.close()


@dataclass(slots=True)
class Scanner:
    """Scans for one condition. Frames of all journals are taken in order of their times. Raises UnknownSymbol if the
    condition or `wanted` names a symbol that no journal has; the reader's error for a damaged journal."""

    paths: Sequence[Path]
    condition: Condition
    wanted: Wanted = field(default_factory=Wanted)
    is_live: bool = False
    matches: list[Match] = field(default_factory=list, init=False)
    _symbols: dict[str, int] = field(default_factory=dict, init=False)
    _names: list[str] = field(default_factory=list, init=False)
    _going: dict[int, Match] = field(default_factory=dict, init=False)
    _hidden: dict[int, Match] = field(default_factory=dict, init=False)  # open matches of symbols no longer selected
    _chosen: list[str] = field(default_factory=list, init=False)
    _readers: list[JournalReader] = field(default_factory=list, init=False)
    _turnovers: _Turnovers | None = field(default=None, init=False)
    _scan: _core.Scan = field(init=False)

    def __post_init__(self) -> None:
        for path in self.paths:
            self._readers.append(JournalReader(path))
        if self.is_live:  # begin early enough for the longest window
            since = time.time_ns() - max(self.condition.windows, default=0) - 2 * SECOND
            for reader in self._readers:
                reader.seek_time(since)
        there = self._there()
        for name in (*self.condition.symbols, *sorted(self.wanted.names)):
            if name not in there:
                raise UnknownSymbol(f"the journals have no market of {name!r}", location="scan", todo=_near(there))
        wanted = self.wanted.names or there
        if self.wanted.top:
            turnovers = _Turnovers(self.paths)
            self._chosen = self.wanted.chosen(dict.fromkeys(there, 0.0) | turnovers.look())
            if self.is_live:  # follow all symbols: later selected ones then have complete windows
                self._turnovers = turnovers
            else:
                turnovers.close()
                wanted = set(self._chosen)
        # symbols named by the condition come first
        for name in dict.fromkeys((*self.condition.symbols, *sorted(wanted))):
            self._symbols[name] = len(self._names)
            self._names.append(name)
        programs = self.condition.values(self._names)
        self._scan = _core.Scan(
            self.condition.steps(self._names),
            list(self.condition.windows),
            len(self._names),
            [*(each.steps for each in programs), _AGE],
        )
        for reader in self._readers:
            feed = self._scan.follow(reader.core)
            for stream, record in reader.instruments.items():
                self._map(feed, stream, _instrument(record))

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        if self._turnovers is not None:
            self._turnovers.close()

    @property
    def symbols(self) -> int:
        return sum(map(self._is_shown, self._names))

    @property
    def checks(self) -> int:
        return self._scan.checks

    def sweep(self, now: int) -> None:
        """Evaluate every symbol as of a time, ns; changes come with the next matches."""
        self._scan.sweep(now)

    @property
    def is_written(self) -> bool:
        """Returns True while each of the journals has a writer."""
        return all(reader.writer_alive for reader in self._readers)

    @property
    def frames(self) -> int:
        """Number of frames written to the journals."""
        return sum(reader.last_sequence for reader in self._readers)

    def meeting(self, now: int) -> frozenset[str]:
        """Returns the symbols that meet the condition with all frames in the journals, as of `now`, ns."""
        for _ in self._taken(TIME_MAX):
            pass
        self._scan.sweep(now)
        for _ in self._changed():
            pass
        self.matches.clear()
        return frozenset(self._names[number] for number in self._going)

    # --- running ----------------------------------------------------------------------------------

    def over(self, seconds: float | None = None) -> Iterator[Match]:
        """Yields each match twice, when it begins and when it ends, over existing frames to the journals' end or for
        `seconds` of their time."""
        until, boundary = TIME_MAX, 0
        while True:
            yield from self._taken(boundary)
            now = self._scan.next_time
            if now >= until:  # TIME_MAX: no more frames
                break
            if not boundary:
                until = TIME_MAX if seconds is None else now + round(seconds * SECOND)
            elif now - boundary < GAP_MAX:
                self._scan.sweep(boundary)
                yield from self._changed()
                boundary += SWEEP
                continue
            boundary = min(until, now - now % SWEEP + SWEEP)

    def live(
        self, seconds: float | None = None, *, spin: float = 0.0, clock: Callable[[], int] = time.time_ns
    ) -> Iterator[Match]:
        """Yields matches of arriving frames as `over` does, for `seconds`. spin: seconds of busy-polling before a
        sleep."""
        ends = None if seconds is None else clock() + round(seconds * SECOND)
        waiter = Waiter()
        for reader in self._readers:
            waiter.add(reader)
        swept, chosen = 0, clock()
        while ends is None or clock() < ends:
            yield from self._taken(TIME_MAX)
            if (now := clock()) - swept >= SWEEP:
                swept = now
                self._scan.sweep(now)
                yield from self._changed()
                if now - chosen >= CHOSEN_EVERY:
                    chosen = now
                    yield from self._choose(now)
            rest = SWEEP if ends is None else min(SWEEP, max(0, ends - now))
            waiter.wait(min(0.25, rest / SECOND), spin=spin)

    def _taken(self, time_until: int) -> Iterator[Match]:
        while (stopped := self._scan.take(FRAMES_MAX, time_until)) is not False:
            if not isinstance(stopped, bool):
                feed, stream, payload = stopped
                self._map(feed, stream, Instrument.from_msgpack(payload))
            yield from self._changed()
        yield from self._changed()

    def _changed(self) -> Iterator[Match]:
        for number, meets, at, values in self._scan.changes():
            if meets:
                *shown, age = values
                seen = self.condition.shown(shown)
                match = Match(self._names[number], at, seen, None if math.isnan(age) else float(f"{age * 1000:.12g}"))
                if not self._is_shown(match.symbol):
                    self._hidden[number] = match
                    continue
                self._begin(number, match)
            elif self._hidden.pop(number, None) is not None:
                continue
            else:
                match = self._going.pop(number)
                match.until = at
            yield match

    def _begin(self, number: int, match: Match) -> None:
        self._going[number] = match
        if len(self.matches) < MATCHES_MAX:
            self.matches.append(match)

    def _is_shown(self, symbol: str) -> bool:
        return self._turnovers is None or symbol in self._chosen or symbol in self.condition.symbols

    def _choose(self, now: int) -> Iterator[Match]:
        """Select the symbols with the largest turnover again: matches of removed symbols end, of added ones begin."""
        if self._turnovers is None:
            return
        self._chosen = self.wanted.chosen(dict.fromkeys(self._names, 0.0) | self._turnovers.look(), self._chosen)
        for number, match in list(self._going.items()):
            if not self._is_shown(match.symbol):
                self._hidden[number] = replace(match)
                self._going.pop(number).until = now
                yield match
        for number, match in list(self._hidden.items()):
            if self._is_shown(match.symbol):
                self._begin(number, replace(self._hidden.pop(number), ts=now))
                yield self._going[number]

    # --- symbols ----------------------------------------------------------------------------------

    def _there(self) -> set[str]:
        """Read the symbols up to the end of each journal: on a tape they come first, before the reader's position."""
        found: set[str] = set()
        for path in self.paths:
            with JournalReader(path) as reader:
                reader.seek_sequence(reader.last_sequence)
                found.update(record["symbol"] for record in reader.instruments.values())
        return found

    def _map(self, feed: int, stream: int, instrument: Instrument) -> None:
        """Map a stream to the scan's symbol, adding a new symbol; streams of other symbols are skipped."""
        name = instrument.symbol
        if name not in self._symbols:
            if self.wanted.names or (self.wanted.top and self._turnovers is None):
                self._scan.map(feed, stream, _core.SCAN_NO_SYMBOL)
                return
            self._symbols[name] = self._scan.add_symbol()
            self._names.append(name)
        number = self._symbols[name]
        self._scan.set_terms(
            number,
            10.0**instrument.price_decimals,
            10.0**instrument.size_decimals,
            float(instrument.tick),
            float(instrument.lot),
            float(instrument.multiplier),
        )
        self._scan.map(feed, stream, number)


def _instrument(record: dict[str, Any]) -> Instrument:
    return Instrument.from_msgpack(msgspec.msgpack.encode(record))


def _near(there: set[str]) -> str:
    if not there:
        raise BadInput("the journals have no instruments", location="scan")
    shown = ", ".join(sorted(there)[:8])
    return f"there are {shown}" + (" and more" if len(there) > 8 else "")

"""Rows of one instrument from its journal: new ones are followed, older ones are read back in bounded steps; no
request walks a whole tape. Bars are kept by the second or the minute, and longer ones made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import DAY, HOUR, MINUTE, MS, SECOND, TIME_MAX
from onetape.tape.journal import JournalReader
from onetape.tape.segments import first_sequence, is_tape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = NDArray[Any]

__all__ = ["INTERVALS", "SIDES", "Bars", "Fills", "Followed", "Trades", "base_of", "instrument_from"]

INTERVALS: Final = {"1s": SECOND, "5s": 5 * SECOND, "1m": MINUTE, "5m": 5 * MINUTE, "1h": HOUR, "1d": DAY}
FRAMES_MAX: Final = 500_000  # frames read per step: about 80 ms
KEPT_MAX: Final = 1_000_000  # rows of 40 bytes: one-second bars of eleven days
FAR_STEPS: Final = 40  # steps from the kept rows to a requested time; beyond it reading begins anew there
TRADES: Final = 40
SIDES: Final = ("", "buy", "sell")


def instrument_from(facts: Mapping[str, Any]) -> Instrument:
    """Returns an instrument from a journal reader's facts."""
    return Instrument.from_msgpack(msgspec.msgpack.encode(facts))


class Followed:
    """Follows a journal's rows of one type and instrument, oldest first. since: ns UTC, it has all rows from here
    on; 0: from the journal's beginning."""

    event: ClassVar[str]
    columns: ClassVar[int] = 5
    rows_max: ClassVar[int] = KEPT_MAX

    def __init__(self, path: Path, instrument: Instrument) -> None:
        self.path, self.instrument, self.used = path, instrument, 0.0
        self._reader: JournalReader | None = None
        self._forget()

    def _forget(self) -> None:
        import numpy as np

        self.rows: Table = np.empty((0, self.columns), np.int64)
        self._stream, self._first, self.since, self._is_broken = -1, 0, 0, False

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @property
    def is_whole(self) -> bool:
        """Tells whether no older rows are available."""
        return self._is_broken or not self.since or len(self.rows) >= self.rows_max

    def ahead(self, place: int = 0) -> bool:
        """Reads new frames; tells whether it reached the end. place: the first unread frame, 0: none. Begins there,
        or at the journal's end: `back` reads all before it."""
        try:
            if self._reader is not None and self._reader.is_gone:
                self.close()
            if self._reader is None and not self._open(place):
                return True
            assert self._reader is not None
            stop = self._reader.next_sequence + FRAMES_MAX
            stop = min(stop, place) if place else stop
            for rows in self._reader.chunks(self.event, sequence_until=stop):
                self._keep(self._reduced(rows[rows["stream"] == self._stream]), is_older=False)
            return self._reader.next_sequence >= (place or self._reader.last_sequence + 1)
        except OnetapeError:  # being created, pruned or damaged, which its gateway reports
            self._is_broken = True
            self.close()
            return True

    def back(self) -> bool:
        """Reads one step back; tells whether there is another one."""
        if self._reader is None or self.is_whole:
            return False
        with suppress(OnetapeError), JournalReader(self.path) as reader:
            begin = first_sequence(self.path)
            start = max(begin, self._first - FRAMES_MAX)
            reader.seek_sequence(start)
            frame = reader.next_frame()
            reader.seek_sequence(start)
            self._older(reader.chunks(self.event, sequence_until=self._first))
            self._first, self.since = start, 0 if start <= begin or frame is None else frame.time
            return not self.is_whole
        self._is_broken = True  # rows read so far stay
        return False

    def _older(self, chunks: Iterable[NDArray[np.void]]) -> None:
        parts = (self._reduced(rows[rows["stream"] == self._stream]) for rows in chunks)
        if found := [each for each in parts if len(each)]:
            self._keep(reduce(self._joined, found), is_older=True)

    def _open(self, place: int) -> bool:
        """Tells whether there is a journal with the instrument."""
        self._forget()
        if not is_tape(self.path):
            return False
        reader = JournalReader(self.path)
        self._first = place or reader.last_sequence + 1
        reader.seek_sequence(self._first)
        streams = (each for each, facts in reader.instruments.items() if facts["symbol"] == self.instrument.symbol)
        self._stream = next(streams, -1)
        if self._stream < 0:
            reader.close()
            return False
        is_first = self._first <= first_sequence(self.path)
        self._reader, self.since = reader, 0 if is_first else TIME_MAX
        return True

    def _keep(self, rows: Table, *, is_older: bool) -> None:
        if len(rows):
            older, newer = (rows, self.rows) if is_older else (self.rows, rows)
            self.rows = (self._joined(older, newer) if len(older) and len(newer) else rows)[-self.rows_max :]

    def _joined(self, older: Table, newer: Table) -> Table:
        import numpy as np

        return np.concatenate((older, newer))

    def _reduced(self, rows: NDArray[np.void]) -> Table:
        """Returns the rows in the form that is kept."""
        import numpy as np

        names = ("sequence", "ts_event", "price", "size", "side")
        return np.stack([rows[name].astype(np.int64) for name in names], axis=1)


class Trades(Followed):
    event, rows_max = "trade", TRADES

    def newest(self) -> list[tuple[int, str, str, str]]:
        """Returns (ms UTC, price, size, side), the newest first."""
        price_text, size_text = self.instrument.price_text, self.instrument.size_text
        return [
            (at // MS, price_text(price), size_text(size), SIDES[side])
            for _, at, price, size, side in self.rows[::-1].tolist()
        ]


class Fills(Followed):
    event = "fill"

    def marks(self, interval: int, since: int, until: int) -> list[tuple[int, str, float, int, str]]:
        """Returns marks of own fills between two times, s UTC, one per bar and side: (s UTC, side, mean price,
        count, size)."""
        found: dict[tuple[int, int], list[float]] = {}
        times = self.rows[:, 1]
        for _, at, price, size, side in self.rows[(times >= since * SECOND) & (times < until * SECOND)].tolist():
            mark = found.setdefault((at // interval * interval // SECOND, side), [0.0, 0.0, 0])
            mark[0], mark[1], mark[2] = mark[0] + price * size, mark[1] + size, mark[2] + 1
        scale = 10**self.instrument.price_decimals
        size_text = self.instrument.size_text
        return [
            (at, SIDES[side], sum_ / size / scale, int(n), size_text(int(size)))
            for (at, side), (sum_, size, n) in sorted(found.items())
        ]


def base_of(interval: int) -> int:
    """Returns the span of the bars from which bars of this span are made, ns."""
    return SECOND if interval < MINUTE else MINUTE


class Bars(Followed):
    """Follows bars of the mid price: (s UTC, open, high, low, close). base: span, ns."""

    event = "quote"

    def __init__(self, path: Path, instrument: Instrument, base: int) -> None:
        self.base = base
        super().__init__(path, instrument)

    def page(self, interval: int, count: int, before: float = math.inf) -> tuple[list[list[float]], bool]:
        """Returns up to `count` whole bars before a time, s UTC, as far as read, and whether there may be more."""
        whole = self._whole(interval, before)
        found = bars_of(whole[-(count + 1) * (interval // self.base) :], interval)[-count:].tolist()
        return found, not self.is_whole or bool(found and whole[0, 0] < found[0][0])

    def page_at(self, interval: int, count: int, moment: int) -> tuple[list[list[float]], bool]:
        """Returns the bars up to a time, ns UTC, in their state then, without later events. Each call reads a step
        or two of missing rows."""
        import numpy as np

        begin = moment // self.base * self.base
        with JournalReader(self.path) as reader:
            reader.seek_time(moment)
            place = reader.next_sequence
            if self._reader is not None:
                gap = max(self._first - place, place - self._reader.next_sequence)
                before = int(self.rows[:, 0].searchsorted(begin // SECOND))
                wanted = min(count * (interval // self.base), self.rows_max // 2)
                is_cut = len(self.rows) >= self.rows_max and before < wanted
                is_beyond = self._is_broken and place < self._first  # damage lies between
                if is_cut or is_beyond or gap > FAR_STEPS * FRAMES_MAX:
                    self.close()  # and begins there
            is_all = self.ahead(place)
            is_there = is_all and self._first <= place
            whole = self._whole(interval, begin // SECOND)
            if self._stream >= 0 and (not is_there or len(whole) < count * (interval // self.base)):
                self.back()
                whole = self._whole(interval, begin // SECOND)
            if not is_there or self._reader is None:
                return [], not is_all or not (is_there or self._is_broken)
            reader.seek_time(begin)
            chunks = reader.chunks(self.event, sequence_until=place, time_until=moment)
            parts = [self._reduced(rows[rows["stream"] == self._stream]) for rows in chunks]
        shown = bars_of(np.concatenate((whole[-(count + 1) * (interval // self.base) :], *parts)), interval)
        shown = shown[shown[:, 0].searchsorted(self._begin(interval)) :][-count:]
        return shown.tolist(), not self.is_whole and len(shown) < count

    def _begin(self, interval: int) -> float:
        """Returns the begin of its first whole bar of that span, s UTC."""
        is_cut = len(self.rows) >= self.rows_max
        begin = max(self.since, int(self.rows[0, 0]) * SECOND) if is_cut else self.since
        return (begin // interval + 1) * (interval // SECOND) if begin else -math.inf

    def _whole(self, interval: int, before: float) -> Table:
        times = self.rows[:, 0]
        return self.rows[times.searchsorted(self._begin(interval)) : times.searchsorted(before)]

    def _joined(self, older: Table, newer: Table) -> Table:
        import numpy as np

        cut = int(older[:, 0].searchsorted(newer[0, 0]))
        tail = bars_of(np.concatenate((older[cut:], newer)), self.base)
        if cut and cut == len(older) - 1 and len(tail) == 1:
            older[cut] = tail[0]  # the usual case
            return older
        return np.concatenate((older[:cut], tail)) if cut else tail

    def _reduced(self, rows: NDArray[np.void]) -> Table:
        import numpy as np

        rows = rows[(rows["bid"] > 0) & (rows["ask"] > 0)]
        middle = (rows["bid"] + rows["ask"]) / (2 * 10**self.instrument.price_decimals)
        return bars_of(np.stack([rows["time"] // SECOND, middle, middle, middle, middle], axis=1), self.base)


def bars_of(rows: Table, interval: int) -> Table:
    """Returns bars of that span, ns, made of shorter ones; their times need not ascend."""
    import numpy as np

    if not len(rows):
        return np.empty((0, 5))
    slots = rows[:, 0] // (interval // SECOND)
    if np.any(slots[1:] < slots[:-1]):
        order = np.argsort(slots, kind="stable")
        rows, slots = rows[order], slots[order]
    starts = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
    ends = np.append(starts[1:], len(rows)) - 1
    highs, lows = np.maximum.reduceat(rows[:, 2], starts), np.minimum.reduceat(rows[:, 3], starts)
    return np.stack([slots[starts] * (interval // SECOND), rows[starts, 1], highs, lows, rows[ends, 4]], axis=1)

"""Check one type of event of one instrument, fed with rows in the order of the tape."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onetape._core import FLAG_GAP, FLAG_LATE, FLAG_SNAPSHOT, FLAG_UNSYNCED, MboBook
from onetape.data.quality.findings import Check, Findings
from onetape.data.quality.measures import Ids, Rules, Silences, Spikes

Rows = NDArray[np.void]
_CLEAR: Final = 5  # MboAction of core/journal/events.hpp


class Steps(NamedTuple):
    """The steps of an instrument: tick and lot in units of the tape, 0 if unknown, and the time between funding
    settlements in ns."""

    tick: int
    lot: int
    funding_ns: int


class Series:
    """Checks the events of one type. The base class has what all types share: counts, times, silences."""

    own: tuple[str, ...] = ()
    event_time = "ts_event"
    has_silences = True

    def __init__(self, rules: Rules, steps: Steps) -> None:
        self.rules = rules
        self.steps = steps
        self.count = 0
        self.first = 0
        self.last = 0
        common = ("time_backwards", "event_time_backwards", "late")
        silences = ("silences",) if self.has_silences else ()
        self.found = Findings(*common, *silences, *self.own)
        self._silences = Silences()
        self._event_last = 0

    def add(self, rows: Rows) -> None:
        """Process the next rows, at least one."""
        times, sequences = rows["time"], rows["sequence"]
        if not self.count:
            self.first = int(times[0])
            self.last = self.first
        self._backwards("time_backwards", times, self.last, rows)
        events = rows[self.event_time]
        valid = events != 0
        if valid.all():
            self._backwards("event_time_backwards", events, self._event_last, rows)
            self._event_last = int(events.max())
        self.mark("late", rows["flags"] & FLAG_LATE != 0, rows)
        if self.has_silences:
            self._silences.add(times, sequences)
        self.count += len(rows)
        self.last = int(times[-1])
        self.check(rows)

    def _backwards(self, name: str, values: NDArray[Any], before: int, rows: Rows) -> None:
        back = np.empty(len(values), dtype=bool)
        back[0] = int(values[0]) < before
        np.less(values[1:], values[:-1], out=back[1:])
        self.mark(name, back, rows)

    def mark(self, name: str, wrong: NDArray[Any], rows: Rows, *fields: str) -> None:
        """Count rows for which `wrong` holds, and keep the first with these fields."""
        count = int(np.count_nonzero(wrong))
        if not count:
            return
        check = self.found[name]
        check.count += count
        for at in np.flatnonzero(wrong)[: max(check.wants, 0)]:
            row = rows[at]
            shown = {"sequence": int(row["sequence"]), "ts": int(row["time"])}
            check.first(shown | {field: int(row[field]) for field in fields})

    def off_step(self, name: str, values: NDArray[Any], step: int, rows: Rows, field: str) -> None:
        if step > 1:
            self.mark(name, values % step != 0, rows, field)

    def check(self, rows: Rows) -> None:
        """Run the type's own checks."""

    def end(self) -> None:
        """Finish at the end of the tape: report findings that need the whole series."""
        if self.has_silences:
            self._silences.tell(self.found["silences"], self.rules)

    def more(self) -> dict[str, Any]:
        """Returns facts beside the checks."""
        return {}

    def result(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "first_ts": self.first,
            "last_ts": self.last,
            **({"median_step_ns": self._silences.median_ns} if self.has_silences else {}),
            **self.more(),
            "findings": self.found.total,
            "checks": self.found.counts(),
            "examples": self.found.examples(),
        }


class Quotes(Series):
    """Checks quotes. An empty side has neither price nor size, which is no finding."""

    own = (
        *("crossed", "locked", "price_not_positive", "size_not_positive", "off_tick", "off_lot"),
        *("spikes", "book_disagrees"),
    )

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self._spikes = Spikes(self.found["spikes"], rules, steps.tick)
        self.compared = 0  # quotes that were compared with the book of the same number

    def check(self, rows: Rows) -> None:
        bid, ask = rows["bid"], rows["ask"]
        bid_size, ask_size = rows["bid_size"], rows["ask_size"]
        has_bid, has_ask = (bid != 0) | (bid_size != 0), (ask != 0) | (ask_size != 0)
        both = has_bid & has_ask
        self.mark("crossed", both & (bid > ask), rows, "bid", "ask")
        self.mark("locked", both & (bid == ask), rows, "bid", "ask")
        wrong = (has_bid & (bid <= 0)) | (has_ask & (ask <= 0))
        self.mark("price_not_positive", wrong, rows, "bid", "ask")
        # A source without sizes has neither of the two; if only one is missing, that is an error.
        sized = (bid_size != 0) | (ask_size != 0)
        wrong = (bid_size < 0) | (ask_size < 0)
        wrong |= sized & ((has_bid & (bid_size == 0)) | (has_ask & (ask_size == 0)))
        self.mark("size_not_positive", wrong, rows, "bid_size", "ask_size")
        tick, lot = self.steps.tick, self.steps.lot
        self.off_step("off_tick", bid, tick, rows, "bid")
        self.off_step("off_tick", ask, tick, rows, "ask")
        self.off_step("off_lot", bid_size, lot, rows, "bid_size")
        self.off_step("off_lot", ask_size, lot, rows, "ask_size")
        mid = (bid[both] + ask[both]) // 2
        self._spikes.add(mid, rows["time"][both], rows["sequence"][both])

    def end(self) -> None:
        super().end()
        self._spikes.end()

    def more(self) -> dict[str, Any]:
        return {"compared_with_book": self.compared}


class Trades(Series):
    own = (*("duplicate_ids", "id_gaps", "price_not_positive", "size_not_positive"), *("off_tick", "off_lot", "spikes"))

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self._spikes = Spikes(self.found["spikes"], rules, steps.tick)
        self._ids = Ids(self.found["duplicate_ids"], self.found["id_gaps"])

    def check(self, rows: Rows) -> None:
        price, size = rows["price"], rows["size"]
        self.mark("price_not_positive", price <= 0, rows, "price")
        self.mark("size_not_positive", size <= 0, rows, "size")
        self.off_step("off_tick", price, self.steps.tick, rows, "price")
        self.off_step("off_lot", size, self.steps.lot, rows, "size")
        self._spikes.add(price, rows["time"], rows["sequence"])
        self._ids.add(rows)

    def end(self) -> None:
        super().end()
        self._spikes.end()
        self._ids.end()

    def more(self) -> dict[str, Any]:
        return {"ids_missing": self._ids.missing}


class Bars(Series):
    """Checks bars. Holes are periods without a bar, between bars of one period."""

    own = (
        *("holes", "overlaps", "duplicates", "ohlc", "price_not_positive", "volume_negative"),
        *("off_tick", "spikes"),
    )
    event_time = "ts_open"
    has_silences = False

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self._spikes: dict[int, Spikes] = {}
        self._last: dict[int, tuple[int, int]] = {}  # period -> open and close of the last bar
        self.missing = 0

    def _backwards(self, name: str, values: NDArray[Any], before: int, rows: Rows) -> None:
        # Bars of several periods end at the same time, the shorter ones first, so their opening times alternate.
        if name != "event_time_backwards" or len(self._last) <= 1:
            super()._backwards(name, values, before, rows)

    def check(self, rows: Rows) -> None:
        o, h, low, c = rows["open"], rows["high"], rows["low"], rows["close"]
        wrong = (h < low) | (h < o) | (h < c) | (low > o) | (low > c)
        self.mark("ohlc", wrong, rows, "open", "high", "low", "close")
        self.mark("price_not_positive", low <= 0, rows, "low")
        self.mark("volume_negative", rows["volume"] < 0, rows, "volume")
        tick = self.steps.tick
        if tick > 1:
            off = (o % tick != 0) | (h % tick != 0) | (low % tick != 0) | (c % tick != 0)
            self.mark("off_tick", off, rows, "open", "high", "low", "close")
        for period in np.unique(rows["period_ns"]):
            self._one_period(int(period), rows[rows["period_ns"] == period])

    def _one_period(self, period: int, rows: Rows) -> None:
        if period not in self._spikes:
            self._spikes[period] = Spikes(self.found["spikes"], self.rules, self.steps.tick)
        self._spikes[period].add(rows["close"], rows["time"], rows["sequence"])
        opens = rows["ts_open"]
        before, end = self._last.get(period, (int(opens[0]) - 1, int(opens[0])))
        is_repeat = np.diff(opens, prepend=np.int64(before)) == 0
        gaps = opens - np.concatenate(([end], rows["ts_close"][:-1]))
        self._last[period] = int(opens[-1]), int(rows["ts_close"][-1])
        self.mark("duplicates", is_repeat, rows, "ts_open")
        self.mark("overlaps", (gaps < 0) & ~is_repeat, rows, "ts_open")
        far = np.flatnonzero(gaps > 0)
        check = self.found["holes"]
        check.count += len(far)
        for at in far:
            missing = int(gaps[at]) // period
            self.missing += missing
            if (step := int(gaps[at]) + period) > check.least:
                check.largest(
                    float(step),
                    int(rows["sequence"][at]),
                    {
                        "sequence": int(rows["sequence"][at]),
                        "from": int(opens[at] - gaps[at]),
                        "to": int(opens[at]),
                        "missing": missing,
                        "period_ns": period,
                    },
                )

    def end(self) -> None:
        super().end()
        for spikes in self._spikes.values():
            spikes.end()

    def more(self) -> dict[str, Any]:
        return {"periods_ns": sorted(self._last), "bars_missing": self.missing}


class Marks(Series):
    own = ("price_not_positive", "spikes")

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self._spikes = Spikes(self.found["spikes"], rules, steps.tick)

    def check(self, rows: Rows) -> None:
        self.mark("price_not_positive", rows["mark"] <= 0, rows, "mark")
        self._spikes.add(rows["mark"], rows["time"], rows["sequence"])

    def end(self) -> None:
        super().end()
        self._spikes.end()


class Fundings(Series):
    """Checks funding: settlements are at multiples of their interval, and none is missing."""

    own = ("off_schedule", "missing", "duplicates")
    has_silences = False

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self._last = 0

    def check(self, rows: Rows) -> None:
        stated = rows["interval_ns"]
        interval = np.where(stated > 0, stated, self.steps.funding_ns)
        valid = interval > 0
        every = np.where(valid, interval, 1)
        rest = rows["ts_event"] % every
        off = np.minimum(rest, every - rest)
        self.mark("off_schedule", valid & (off > self.rules.funding_tolerance_ns), rows, "ts_event")
        begin = self._last or int(rows["ts_event"][0] - every[0])
        steps = np.diff(rows["ts_event"], prepend=np.int64(begin))
        self._last = int(rows["ts_event"][-1])
        self.mark("duplicates", steps == 0, rows, "ts_event")
        self.mark("missing", valid & (steps > every + every // 2), rows, "ts_event", "interval_ns")


class Liquidations(Series):
    own = ("price_not_positive", "size_not_positive")
    has_silences = False  # these events have no regular times

    def check(self, rows: Rows) -> None:
        self.mark("price_not_positive", rows["price"] <= 0, rows, "price")
        self.mark("size_not_positive", rows["size"] <= 0, rows, "size")


class OpenInterests(Series):
    own = ("size_negative",)
    has_silences = False  # these events come as often as they were requested

    def check(self, rows: Rows) -> None:
        self.mark("size_negative", rows["size"] < 0, rows, "size")


class Books(Series):
    """Checks depth: its flags, and its numbering where no flag is set.

    Depth before the first snapshot has no base, as at the beginning of any recording: it is counted in
    `unsynced_at_start`, and is no finding.
    """

    own = ("sequence_gaps", "unsynced", "numbering", "crossed", "locked")

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self.snapshots = 0
        self.unsynced_at_start = 0
        self._began = False
        self._span: dict[str, int] | None = None
        self._last_id = 0
        self._fresh = True
        self.replayed = 0

    def check(self, rows: Rows) -> None:
        flags = rows["flags"]
        self.mark("sequence_gaps", flags & FLAG_GAP != 0, rows, "last_id")
        snapshot = flags & FLAG_SNAPSHOT != 0
        unsynced = flags & FLAG_UNSYNCED != 0
        self.snapshots += int(np.count_nonzero(snapshot & ~unsynced))
        if not self._began:
            stands = np.flatnonzero(~unsynced)
            begin = int(stands[0]) if len(stands) else len(rows)
            self.unsynced_at_start += begin
            self._began = bool(len(stands))
            rows, unsynced = rows[begin:], unsynced[begin:]
        if len(rows):
            self._spans(rows, unsynced)
            self._numbering(rows)

    def _spans(self, rows: Rows, unsynced: NDArray[Any]) -> None:
        """Count series of unsynced frames, also across pieces."""
        self.found["unsynced"].count += int(np.count_nonzero(unsynced))
        edges = np.flatnonzero(np.diff(unsynced)) + 1
        for begin, end in zip([0, *edges], [*edges, len(rows)], strict=True):
            if not unsynced[begin]:
                self._close_span()
                continue
            if self._span is None:
                first = rows[begin]
                self._span = {"sequence": int(first["sequence"]), "from": int(first["time"]), "to": 0, "frames": 0}
            self._span["frames"] += int(end - begin)
            self._span["to"] = int(rows["time"][end - 1])

    def _close_span(self) -> None:
        if self._span is not None:
            span, self._span = self._span, None
            self.found["unsynced"].largest(float(span["frames"]), span["sequence"], span)

    def _numbering(self, rows: Rows) -> None:
        """Find changes without a flag whose numbers have a gap: frames that a tape lost after it was recorded."""
        flags = rows["flags"]
        rows = rows[(flags & FLAG_UNSYNCED == 0) & (rows["last_id"] != 0)]
        if not len(rows):
            return
        last = rows["last_id"]
        before = np.concatenate((np.array([self._last_id], np.uint64), last[:-1]))
        is_snapshot = rows["flags"] & FLAG_SNAPSHOT != 0
        fresh = np.concatenate(([self._fresh], is_snapshot[:-1]))
        self._last_id, self._fresh = int(last[-1]), bool(is_snapshot[-1])
        previous, first = rows["previous_id"], rows["first_id"]
        linked = previous != 0
        counted = ~linked & (first != 0)
        # The numbers of the first change after a snapshot include the snapshot's.
        wrong = linked & ~fresh & (previous != before)
        wrong |= counted & ~fresh & (first != before + np.uint64(1))
        wrong |= counted & fresh & (first > before + np.uint64(1))
        wrong |= linked & fresh & (first > before) & (previous != before)
        wrong &= ~is_snapshot & (before != 0)
        self.mark("numbering", wrong, rows, "previous_id", "first_id", "last_id")

    def end(self) -> None:
        super().end()
        self._close_span()

    def more(self) -> dict[str, Any]:
        return {"snapshots": self.snapshots, "unsynced_at_start": self.unsynced_at_start, "replayed": self.replayed}


class Orders(Series):
    """Checks market by order: messages that contradict earlier ones, and the resulting book.

    A recording that begins in the middle does not have the earlier orders: messages about them before its first
    clear are in `unknown_at_start`, and are no finding.
    """

    own = (
        "sequence_gaps",
        "size_negative",
        "unknown_order",
        "duplicate_order",
        "overfill",
        "refused",
        "disagreeing",
        "crossed",
        "locked",
    )
    # MboCounts of the core -> check
    _checks: Final = {
        "unknown": "unknown_order",
        "duplicates": "duplicate_order",
        "overfills": "overfill",
        "refused": "refused",
        "disagreeing": "disagreeing",
        "crossed": "crossed",
        "locked": "locked",
    }

    def __init__(self, rules: Rules, steps: Steps) -> None:
        super().__init__(rules, steps)
        self._book = MboBook()
        self._cleared = False
        self.unknown_at_start = 0

    def check(self, rows: Rows) -> None:
        self.mark("sequence_gaps", rows["flags"] & FLAG_GAP != 0, rows, "order_id")
        self.mark("size_negative", rows["size"] < 0, rows, "order_id", "size")
        clears = np.flatnonzero(rows["action"] == _CLEAR)
        if not self._cleared and len(clears):
            self._replay(rows[: clears[0]])
            self._cleared = True
            self.unknown_at_start = self.found["unknown_order"].count
            self.found.checks["unknown_order"] = Check()
            rows = rows[clears[0] :]
        self._replay(rows)

    def _replay(self, rows: Rows) -> None:
        before = self._book.counts
        wanted = max(self.found[name].wants for name in self._checks.values())
        examples = self._book.apply_rows(rows.tobytes(), max(wanted, 0))
        after = self._book.counts
        for count, name in self._checks.items():
            self.found[name].count += after[count] - before[count]
        # A refused size has a check of its own.
        self.found["refused"].count -= int(np.count_nonzero(rows["size"] < 0))
        for at, count in examples:
            row = rows[at]
            if count == "refused" and row["size"] < 0:
                continue
            self.found[self._checks[count]].first(
                {"sequence": int(row["sequence"]), "ts": int(row["time"])}
                | {field: int(row[field]) for field in ("order_id", "price", "size")}
            )

    def more(self) -> dict[str, Any]:
        return {
            "snapshots": self._book.counts["snapshots"],
            "unknown_at_start": self.unknown_at_start,
            "orders_at_end": self._book.order_count,
        }


SERIES: dict[str, type[Series]] = {
    "quote": Quotes,
    "trade": Trades,
    "book": Books,
    "bar": Bars,
    "mark": Marks,
    "funding": Fundings,
    "liquidation": Liquidations,
    "mbo": Orders,
    "open_interest": OpenInterests,
}

__all__ = ["SERIES", "Books", "Quotes", "Series", "Steps"]

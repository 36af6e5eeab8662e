"""Measure a series that arrives piece by piece, in constant memory: silences, outliers, gaps in numbering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from onetape.data.quality.findings import EXAMPLES_MAX, Check

Ints = NDArray[np.int64]

BLOCK: Final = 256  # events per median
BLOCK_LEAST: Final = 16  # fewer events are not judged
WINDOW: Final = 1 << 16  # number of ids among which a repetition is searched
_BINS: Final = 8 * 64  # 8 per octave: a median within 9 %


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds of findings."""

    silence_factor: float = 100.0  # multiple of the median distance between events
    silence_ns_min: int = 10_000_000_000  # and at least this
    silence_steps_min: int = 30  # with fewer distances their median means nothing
    spike_factor: float = 20.0  # times the median absolute deviation of BLOCK events
    spike_part: float = 0.005  # and at least this part of their median
    funding_tolerance_ns: int = 60_000_000_000


class Silences:
    """Measures the distances in time between events; those far above the median are reported at the end."""

    def __init__(self) -> None:
        self._bins = np.zeros(_BINS, dtype=np.int64)
        self._longest = Check()
        self._last: tuple[int, int] | None = None

    def add(self, times: Ints, sequences: NDArray[np.uint64]) -> None:
        if self._last is not None:
            times = np.concatenate(([self._last[0]], times))
            sequences = np.concatenate((np.array([self._last[1]], np.uint64), sequences))
        self._last = int(times[-1]), int(sequences[-1])
        if len(times) < 2:
            return
        steps = np.diff(times)
        steps = np.maximum(steps, 0)
        bins = (np.log2(steps + 1.0) * 8).astype(np.int64)
        self._bins += np.bincount(bins, minlength=_BINS)[:_BINS]
        for at in _largest(steps, self._longest.least):
            self._longest.largest(
                float(steps[at]),
                int(sequences[at + 1]),
                {"from": int(times[at]), "to": int(times[at + 1]), "sequence": int(sequences[at + 1])},
            )

    @property
    def median_ns(self) -> int:
        """Returns the median of the distances in ns, within 9 %; 0 if there are none."""
        total = int(self._bins.sum())
        if not total:
            return 0
        place = int(np.searchsorted(np.cumsum(self._bins), (total + 1) // 2))
        return round(2 ** ((place + 0.5) / 8)) - 1

    def tell(self, check: Check, rules: Rules) -> None:
        """Report the distances beyond the limit, with the ten longest as examples."""
        if int(self._bins.sum()) < rules.silence_steps_min:
            return
        bound = max(self.median_ns * rules.silence_factor, float(rules.silence_ns_min))
        for example in self._longest.shown():
            length = example["to"] - example["from"]
            if length > bound:
                check.count += 1
                check.largest(float(length), example["sequence"], {**example, "ns": length})


def _largest(values: Ints, least: float) -> list[int]:
    """Returns indices of the ten largest beyond `least`, in order."""
    places = np.flatnonzero(values > least)
    if len(places) > EXAMPLES_MAX:
        of = values[places]
        places = np.sort(places[np.argpartition(of, len(of) - EXAMPLES_MAX)[-EXAMPLES_MAX:]])
    return [int(place) for place in places]


class Spikes:
    """Finds prices far from the others of their block of 256 events, measured by the block's median and the median
    absolute deviation from it (at least a tick). A price is a spike if it is farther from the median than
    `spike_factor` deviations and than `spike_part` of the median.
    """

    def __init__(self, check: Check, rules: Rules, tick: int) -> None:
        self._check = check
        self._rules = rules
        self._tick = max(tick, 1)
        self._prices: Ints = np.empty(0, np.int64)
        self._times: Ints = np.empty(0, np.int64)
        self._sequences: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._judged = 0  # events of the kept block before this one were already judged

    def add(self, prices: Ints, times: Ints, sequences: NDArray[np.uint64]) -> None:
        self._prices = np.concatenate((self._prices, prices))
        self._times = np.concatenate((self._times, times))
        self._sequences = np.concatenate((self._sequences, sequences))
        whole = len(self._prices) // BLOCK * BLOCK
        if whole:
            self._judge(slice(0, whole), self._judged)
            # The last block is kept, because the rest may be too short to be judged alone.
            keep = slice(whole - BLOCK, None)
            self._prices = self._prices[keep].copy()
            self._times = self._times[keep].copy()
            self._sequences = self._sequences[keep].copy()
            self._judged = BLOCK

    def end(self) -> None:
        """Judge the rest, together with the block before it."""
        begin = max(len(self._prices) - BLOCK, 0)
        if len(self._prices) - begin >= BLOCK_LEAST and len(self._prices) > self._judged:
            self._judge(slice(begin, None), max(self._judged - begin, 0), one=True)

    def _judge(self, part: slice, judged: int, *, one: bool = False) -> None:
        prices = self._prices[part].astype(np.float64)
        rows = prices.reshape(1 if one else -1, -1 if one else BLOCK)
        # Most blocks span less than a spike needs: no median is computed then.
        low, high = rows.min(axis=1), rows.max(axis=1)
        nearest = np.minimum(np.abs(low), np.abs(high))
        wide = np.flatnonzero(high - low > self._rules.spike_part * nearest)
        if not len(wide):
            return
        centre = np.median(rows[wide], axis=1, keepdims=True)
        off = np.abs(rows[wide] - centre)
        deviation = np.maximum(np.median(off, axis=1, keepdims=True), self._tick)
        is_spike = off > np.maximum(self._rules.spike_factor * deviation, self._rules.spike_part * np.abs(centre))
        row, column = np.nonzero(is_spike)
        width = rows.shape[1]
        for r, c in zip(row, column, strict=True):
            place = int(wide[r]) * width + int(c)
            if place < judged:
                continue
            place += part.start or 0
            distance = float(off[r, c] / deviation[r, 0])
            self._check.count += 1
            self._check.largest(
                distance,
                int(self._sequences[place]),
                {
                    "sequence": int(self._sequences[place]),
                    "ts": int(self._times[place]),
                    "price": int(self._prices[place]),
                    "around": int(centre[r, 0]),
                    "deviations": round(distance, 1),
                },
            )


class Ids:
    """Checks trade ids: finds repeated ids, and gaps in their numbering. A repetition is searched among the 65,536 ids
    before. At a venue that numbers the trades of all instruments together, numbers jump all the time, so gaps are
    reported only if nine in ten steps are 1.
    """

    def __init__(self, duplicates: Check, gaps: Check) -> None:
        self._duplicates = duplicates
        self._gaps = gaps
        self._recent: NDArray[Any] = np.empty(0)
        self._top: int | None = None
        self._steps = 0
        self._ones = 0
        self._found = 0
        self._missing = 0
        self._kept = Check()

    def add(self, rows: NDArray[np.void]) -> None:
        """Process rows of trades of one series."""
        kinds = np.ascontiguousarray(rows["id_kind"])
        with_id = rows if kinds.all() else rows[kinds != 0]
        if not len(with_id):
            return
        if (kinds[kinds != 0] == 1).all():
            self._numbers(with_id)
        else:
            ids = np.empty(len(with_id), dtype=[("low", "<u8"), ("high", "<u8")])
            ids["low"], ids["high"] = with_id["id_low"], with_id["id_high"]
            self._repeated(ids, with_id)

    def _numbers(self, rows: NDArray[np.void]) -> None:
        ids = rows["id_low"].astype(np.int64)
        begin = ids[:1] if self._top is None else np.array([self._top], np.int64)
        steps = np.diff(ids, prepend=begin)
        if self._top is None:
            steps[0] = 1
        # Ascending ids have no repetition.
        if (steps > 0).all():
            self._recent = ids[-WINDOW:] if len(ids) >= WINDOW else self._joined(ids)
        else:
            self._repeated(ids, rows)
            top = np.maximum.accumulate(np.concatenate((begin, ids)))[:-1]
            steps = np.where(ids > top, ids - top, 0) if self._top is not None else steps
        self._top = max(int(ids.max()), self._top or 0)
        self._steps += int((steps > 0).sum())
        self._ones += int((steps == 1).sum())
        beyond = steps > 1
        if not beyond.any():
            return
        self._found += int(beyond.sum())
        self._missing += int((steps[beyond] - 1).sum())
        for at in _largest(np.where(beyond, steps, 0), max(self._kept.least, 1.0)):
            missing = int(steps[at]) - 1
            self._kept.largest(
                float(missing),
                int(rows["sequence"][at]),
                {
                    "sequence": int(rows["sequence"][at]),
                    "ts": int(rows["time"][at]),
                    "before_id": int(ids[at]),
                    "missing": missing,
                },
            )

    def _joined(self, ids: NDArray[Any]) -> NDArray[Any]:
        if not len(self._recent) or self._recent.dtype != ids.dtype:
            return ids[-WINDOW:]
        return np.concatenate((self._recent, ids))[-WINDOW:]

    def _repeated(self, ids: NDArray[Any], rows: NDArray[np.void]) -> None:
        before = self._recent if self._recent.dtype == ids.dtype else ids[:0]
        joined = np.concatenate((before, ids))
        order = np.argsort(joined, kind="stable")
        ordered = joined[order]
        repeated = np.zeros(len(joined), dtype=bool)
        repeated[order[1:]] = ordered[1:] == ordered[:-1]
        repeated = repeated[len(before) :]
        self._recent = joined[-WINDOW:]
        count = int(repeated.sum())
        if not count:
            return
        self._duplicates.count += count
        for at in np.flatnonzero(repeated)[: self._duplicates.wants]:
            row = rows[at]
            self._duplicates.first({"sequence": int(row["sequence"]), "ts": int(row["time"]), "id": _id_text(row)})

    def end(self) -> None:
        """Report the gaps, if numbering makes them meaningful."""
        if self._ones * 10 < self._steps * 9:
            return
        self._gaps.count += self._found
        for example in self._kept.shown():
            self._gaps.largest(float(example["missing"]), example["sequence"], example)

    @property
    def missing(self) -> int:
        """Returns the number of missing ids, for ids that count by one."""
        return self._missing if self._ones * 10 >= self._steps * 9 else 0


def _id_text(row: np.void) -> str:
    low, high = int(row["id_low"]), int(row["id_high"])
    raw = low.to_bytes(8, "little") + high.to_bytes(8, "little")
    kind = int(row["id_kind"])
    if kind == 1:
        return str(low)
    return raw.rstrip(b"\0").decode("utf-8", "backslashreplace") if kind == 2 else raw.hex()


__all__ = ["BLOCK", "WINDOW", "Ids", "Ints", "Rules", "Silences", "Spikes"]

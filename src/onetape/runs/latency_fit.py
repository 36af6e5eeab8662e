"""Fit a latency curve to the stamps of a run: the real delays of its orders and answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onetape.engine.latency import FITTED_HEADER
from onetape.model.errors import BadConfig, BadInput
from onetape.model.time import DAY, HOUR, SECOND, format_duration
from onetape.tape.columns import read_columns
from onetape.tape.durable import SHARED, write_durably
from onetape.tape.journal import JournalReader

__all__ = ["LatencyFit", "fit_latency", "interval_of"]

_PLACE = 1  # RequestKind of core/journal/events.hpp
_ACCEPTED, _REJECTED = 1, 2  # OrderNews
_Z = 1.96  # 95 % of a normal distribution is within this many deviations
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LatencyFit:
    """The result of a fit. orders: number measured. Times in ns. shift: added to the venue's stamps so that the
    fastest request and the fastest answer are equally long; 0 if all stamps were possible without it. interval: 95 %
    interval of the whole run's quantile, without an assumption on the distribution; error: mean error of the curve
    for one order."""

    path: Path
    orders: int
    points: int
    request_median: int
    reply_median: int
    shift: int
    request_interval: tuple[int, int]
    reply_interval: tuple[int, int]
    request_error: int
    reply_error: int

    def __str__(self) -> str:
        text = (
            f"{self.orders:,} orders, {self.points} points in {self.path}: "
            f"median {format_duration(self.request_median)} to the venue, "
            f"{format_duration(self.reply_median)} back; mean error of an order "
            f"{format_duration(self.request_error)} and {format_duration(self.reply_error)}"
        )
        return f"{text}; the venue's clock was corrected by {self.shift} ns" if self.shift else text


def fit_latency(run: str | Path, out: str | Path, *, every: int = HOUR, quantile: float = 0.5) -> LatencyFit:
    """Write the daily curve that `--latency FILE` reads: for each `every` ns of the day (UTC) with
    orders, the quantile of the delays of requests and answers.

    run: a run's folder, or a journal with order requests and events. A request's delay is the time from its frame to
    the venue's stamp of the first answer; an answer's delay is the time from that stamp to the answer's frame. Raises
    BadInput where no placed order was answered.
    """
    if not 0 < quantile < 1 or not SECOND <= every <= DAY or DAY % every:
        raise BadConfig(
            f"not a window and a quantile: {every} ns, {quantile}",
            location="journal latency",
            todo="give a part of a day such as 1h or 15m, and a quantile between 0 and 1",
        )
    folder, out = Path(run), Path(out)
    journal = folder / "journal" if (folder / "journal").is_dir() else folder
    sent, there, heard = _stamps(journal)
    if not len(sent):
        raise BadInput("the run has no order that the venue answered", location=str(journal), todo="name another run")
    request, reply = there - sent, heard - there
    shift = 0
    if request.min() < 0 or reply.min() < 0:
        # Clocks differ. The offset is estimated from the fastest delays, assumed equal in both directions.
        shift = int(reply.min() - request.min()) // 2
        request, reply = request + shift, reply - shift
    request, reply = np.maximum(request, 0), np.maximum(reply, 0)
    bucket = (sent % DAY) // every
    lines = [",".join(FITTED_HEADER)]
    off = np.zeros((2, len(sent)), dtype=np.int64)
    for each in np.unique(bucket):
        among = bucket == each
        # A point lies in the middle of its window, as the curve is interpolated.
        at = int(each) * every + every // 2
        ways = [int(np.quantile(way[among], quantile)) for way in (request, reply)]
        for number, (way, point) in enumerate(zip((request, reply), ways, strict=True)):
            off[number, among] = np.abs(way[among] - point)
        errors = np.median(off[:, among], axis=1).astype(int)
        lines.append(f"{_clock(at)},{','.join(map(str, [*ways, *errors]))}")
    write_durably(out, "\n".join(lines) + "\n", mode=SHARED)
    (request_median, request_span), (reply_median, reply_span) = (
        (int(np.median(way)), interval_of(way, quantile)) for way in (request, reply)
    )
    errors = np.median(off, axis=1).astype(int).tolist()
    return LatencyFit(
        out, len(sent), len(lines) - 1, request_median, reply_median, shift, request_span, reply_span, *errors
    )


def interval_of(way: Ints, quantile: float) -> tuple[int, int]:
    """Returns the 95 % interval of the true quantile: two of the sorted values, as the number of values below the
    quantile is binomial."""
    ordered, count = np.sort(way), len(way)
    reach = _Z * (count * quantile * (1 - quantile)) ** 0.5
    low, high = (
        int(np.clip(at, 0, count - 1)) for at in (np.floor(count * quantile - reach), np.ceil(count * quantile + reach))
    )
    return int(ordered[low]), int(ordered[high])


def _stamps(journal: Path) -> tuple[Ints, Ints, Ints]:
    """Returns (sent, stamped at the venue, received) of each placed order that was answered."""
    with JournalReader(journal) as reader:
        tables = [
            reader.table("order_request", names=("time", "order_id", "robot"), where={"kind": _PLACE}),
            reader.table("order_event", names=("time", "order_id", "robot", "ts_event", "news")),
        ]
        (requests, events), _ = read_columns(reader.core, tables)
    answered = np.isin(events["news"], (_ACCEPTED, _REJECTED)) & (events["ts_event"] != 0)
    key, at = _first(_keys(events)[answered])
    mine = _keys(requests)
    if not len(key):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    place = np.minimum(np.searchsorted(key, mine), len(key) - 1)
    found = key[place] == mine
    answers = at[place[found]]
    return (requests["time"][found], events["ts_event"][answered][answers], events["time"][answered][answers])


def _keys(columns: dict[str, NDArray[np.generic]]) -> NDArray[np.uint64]:
    robot = columns["robot"].astype(np.uint64)
    return columns["order_id"].astype(np.uint64) | robot << np.uint64(56)


def _first(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Returns each key once, sorted, and the index of its first occurrence."""
    return np.unique(keys, return_index=True)


def _clock(ns: int) -> str:
    seconds = ns // SECOND
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"

"""Measures a venue from this machine: its clock, its answers, its streams, and the costs of requests."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
import uvloop
from numpy.typing import NDArray

from onetape.collector.venue_feed import VenueFeed
from onetape.collector.venue_tape import VenueTape
from onetape.engine.tape_facts import streams_of
from onetape.model.errors import VenueUnavailable
from onetape.model.time import MS
from onetape.net.tasks import ended
from onetape.options.collector import VenueFeedOptions
from onetape.orders.calls import Call
from onetape.tape.journal import JournalReader

__all__ = ["Probe", "probe"]

TIME_EVERY_S: Final = 0.25
HEARD_S: Final = 20.0  # longest wait for messages of the streams
_FEW: Final = 3  # with fewer updates no interval is reported


@dataclass(slots=True)
class Probe:
    """The measurements of a venue. offset_ms: the venue's clock less ours. latency_ms: of a message, from the venue's
    time to its receipt here, by the venue's clock; request_ms: from a request to its answer. streams: per symbol and
    kind of event their rate a second, and the median interval. weights: cost of each kind of request by our table, and
    by the venue's count if reported."""

    venue: str
    offset_ms: float = 0.0
    latency_ms: dict[str, float | None] = field(default_factory=dict)
    request_ms: dict[str, float | None] = field(default_factory=dict)
    streams: list[dict[str, Any]] = field(default_factory=list)
    weights: list[dict[str, Any]] = field(default_factory=list)
    limits: list[dict[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Clock:
    """Bounds of the difference between the venue's clock and ours, by all its answers, ns."""

    least: float = -math.inf
    most: float = math.inf

    def heard(self, venue_time: int, step: int, sent: int, received: int) -> None:
        self.least = max(self.least, venue_time - received)
        self.most = min(self.most, venue_time + step - sent)

    @property
    def offset(self) -> float:
        if math.inf in (-self.least, self.most):
            return 0.0
        return min(max(0.0, self.least), self.most) if self.least <= self.most else (self.least + self.most) / 2


def probe(options: VenueFeedOptions, seconds: float, progress: Callable[[float, float | None], None]) -> Probe:
    """Measures for that time. Raises VenueUnavailable if the venue does not answer, or its streams are silent."""
    with tempfile.TemporaryDirectory(prefix="onetape-probe-") as folder:
        path = Path(folder) / "tape"
        tape = VenueTape(path, f"probe:{options.kind}")
        found = Probe(options.kind)
        try:
            clock, requests, begin, end = uvloop.run(_measure(options, tape, seconds, progress, found))
        finally:
            tape.close()
        found.offset_ms = round(clock.offset / MS, 3)
        found.request_ms = _quantiles(np.array(requests))
        _read(path, begin, end, clock.offset, found)
    return found


async def _measure(
    options: VenueFeedOptions,
    tape: VenueTape,
    seconds: float,
    progress: Callable[[float, float | None], None],
    found: Probe,
) -> tuple[_Clock, list[int], int, int]:
    """Returns the clock, durations of requests (ns), and begin and end of the listening, ns."""
    feed = VenueFeed(options, tape)
    following = asyncio.ensure_future(feed.run())
    clock = _Clock()
    requests: list[int] = []
    try:
        heard_until = time.monotonic() + HEARD_S
        while not feed.status()["hears"]:
            if following.done():
                following.result()
            if time.monotonic() > heard_until:
                raise VenueUnavailable("the venue's streams sent nothing", location=options.ws)
            await asyncio.sleep(TIME_EVERY_S)
        begin, ends = time.time_ns(), time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            progress(seconds - left, seconds)
            await _ask_time(feed, clock, requests)
            await asyncio.sleep(min(TIME_EVERY_S, left))
        end = time.time_ns()
        await _cost(feed, found)
        return clock, requests, begin, end
    finally:
        await ended([following])


async def _ask_time(feed: VenueFeed, clock: _Clock, requests: list[int]) -> None:
    call = feed.venue.time()
    sent, began = time.time_ns(), time.monotonic_ns()
    try:
        status, headers, body = await feed.line.request(call)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return  # one of many
    took = time.monotonic_ns() - began
    answer = feed.venue.protocol.answer(call, status, headers, body, sent)
    if answer.value:
        requests.append(took)
        clock.heard(int(answer.value), feed.venue.clock_step, sent, sent + took)


async def _cost(feed: VenueFeed, found: Probe) -> None:
    """Sends one request of each kind, and compares the venue's own count."""
    polls = feed.venue.polls
    if polls is None:
        return
    rule = polls.rule
    found.limits = [{"window_s": rule.window // 10**9, "most": rule.most}]
    instrument = next(iter(feed.universe.listings.values())).instrument
    for kind in polls.kinds:
        call = polls.call(kind.name, instrument if kind.by_symbol else None)
        before, after = await _used(feed, feed.venue.time(), rule.header), await _used(feed, call, rule.header)
        is_counted = before is not None and after is not None and after > before
        counted = after - before if is_counted and after is not None and before is not None else None
        found.weights.append({"name": kind.name, "weight": kind.weight, "counted": counted})


async def _used(feed: VenueFeed, call: Call, header: str) -> int | None:
    """Returns the venue's count of this window after a request, None: not reported."""
    try:
        _, headers, _ = await feed.line.request(call)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    text = headers.get(header, "")
    return int(text) if text.isdigit() else None


def _read(path: Path, begin: int, end: int, offset: float, found: Probe) -> None:
    latencies = []
    span_s = (end - begin) / 1e9
    for kind in ("quote", "trade", "mark"):
        with JournalReader(path) as reader:
            rows = reader.columns(kind, names=("stream", "time", "ts_event", "ts_recv"))
        within = (rows["time"] >= begin) & (rows["time"] < end)
        for number, instrument in streams_of(path).items():
            mine = within & (rows["stream"] == number)
            events, receipts = rows["ts_event"][mine], rows["ts_recv"][mine]
            if not len(receipts):
                continue
            dated = events > 0
            latencies.append(receipts[dated] - events[dated] + offset)
            times = np.unique(events if dated.all() else receipts)
            gap = float(np.median(np.diff(times))) / MS if len(times) >= _FEW else None
            found.streams.append(
                {
                    "name": f"{kind} {instrument.symbol}",
                    "per_second": round(len(receipts) / span_s, 3),
                    "cadence_ms": None if gap is None else round(gap, 3),
                }
            )
    found.latency_ms = _quantiles(np.concatenate(latencies) if latencies else np.array([]))


def _quantiles(ns: NDArray[Any]) -> dict[str, float | None]:
    """Returns quantiles in ms."""
    names = {"p50": 0.5, "p99": 0.99}
    return {name: round(float(np.quantile(ns, q)) / MS, 3) if len(ns) else None for name, q in names.items()}

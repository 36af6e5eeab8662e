"""Records a venue's market to a tape, without a robot and without a supervisor."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from onetape.collector.venue_feed import VenueFeed
from onetape.collector.venue_tape import VenueTape
from onetape.engine.tape_facts import contents_of, tape_span
from onetape.ipc.stop_signals import stop_signals
from onetape.model.enums import EventType
from onetape.model.errors import BadInput
from onetape.net.tasks import ended
from onetape.options.collector import VenueFeedOptions
from onetape.tape.journal import JournalReader
from onetape.tape.prune import Keep, PruneReport, prune
from onetape.tape.schema import MARKET_TYPES
from onetape.tape.segments import is_tape

__all__ = ["Recording", "record"]

LOOK_S: Final = 0.2
PRUNE_S: Final = 10.0
DAY_S: Final = 86_400
GB: Final = 10**9


@dataclass(frozen=True, slots=True)
class Recording:
    """A summary of the tape. `seconds` and the figures per day are of this recording alone; earlier ones of the same
    tape are in all other counts. Times are ns UTC; days_left: until the disk is full. pruned: segments of the tape that
    were removed during the recording, by its own rule."""

    tape: Path
    symbols: list[str]
    events: int
    by_type: dict[str, int]
    by_symbol: dict[str, dict[str, int]]
    first_ts: int
    last_ts: int
    rejected: int
    seconds: float
    gb_a_day: float
    days_left: float | None
    pruned: int

    def as_json(self) -> dict[str, Any]:
        days = None if self.days_left is None else round(self.days_left, 1)
        rounded = {"seconds": round(self.seconds, 3), "gb_a_day": round(self.gb_a_day, 6), "days_left": days}
        # Depth is not recorded: it has no gaps.
        return {**asdict(self), "tape": str(self.tape), "gaps": 0, "unsynced": 0, **rounded}


def record(
    options: VenueFeedOptions,
    out: Path,
    *,
    seconds: float | None,
    keep: Keep | None = None,
    progress: Callable[[float, float | None], None],
) -> Recording:
    """Records until `seconds` are over, or Ctrl-C. Continues an existing recording. keep: limit beyond which whole
    segments are pruned during the recording. progress: called with the number of frames written. Raises BadInput if
    `out` is something else, and the journal's errors."""
    process = f"record:{options.kind}"
    _check(out, process)
    before = _size(out)
    began = time.monotonic()
    tape = VenueTape(out, process)
    try:
        with ThreadPoolExecutor(1) as beside:
            pruning = _Pruning(out, keep, beside)
            rejected = uvloop.run(_follow(options, tape, seconds, pruning, progress))
            pruning.finish()
    finally:
        tape.close()
    spent = time.monotonic() - began
    a_day = (_size(out) - before + pruning.freed) / spent * DAY_S
    free = shutil.disk_usage(out).free
    days = free / a_day if a_day > 0 and keep is None else None
    return _recorded(out, rejected, spent, a_day, days, pruning.segments)


class _Pruning:
    """Prunes the recorded tape, beside the loop that writes it."""

    def __init__(self, out: Path, keep: Keep | None, beside: Executor) -> None:
        self._out, self._keep, self._beside = out, keep, beside
        self._next = 0.0  # by the steady clock
        self._under_way: Future[PruneReport] | None = None
        self.segments = self.freed = 0

    def look(self) -> None:
        """Prunes if due; to be called periodically. Raises the errors of pruning."""
        if self._keep is None:
            return
        if self._under_way is not None and self._under_way.done():
            self.finish()
        if self._under_way is None and time.monotonic() >= self._next:
            self._next = time.monotonic() + PRUNE_S
            rule = partial(prune, self._out, older=self._keep.older, size=self._keep.size)
            self._under_way = self._beside.submit(rule)

    def finish(self) -> None:
        """Waits for a pruning under way. Raises its errors."""
        if self._under_way is None:
            return
        report, self._under_way = self._under_way.result(), None
        self.segments += len(report.removed)
        self.freed += report.freed_bytes


async def _follow(
    options: VenueFeedOptions,
    tape: VenueTape,
    seconds: float | None,
    pruning: _Pruning,
    progress: Callable[[float, float | None], None],
) -> int:
    """Returns the number of malformed messages."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)  # a second one stops at once
        stopping.set()

    for number in stop_signals():
        loop.add_signal_handler(number, stop, number)
    feed = VenueFeed(options, tape)
    following, stopped = asyncio.ensure_future(feed.run()), asyncio.ensure_future(stopping.wait())
    ends = None if seconds is None else time.monotonic() + seconds
    try:
        while ends is None or time.monotonic() < ends:
            wait = LOOK_S if ends is None else max(min(LOOK_S, ends - time.monotonic()), 0.0)
            done, _ = await asyncio.wait({following, stopped}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            progress(tape.writer.published, None)
            pruning.look()
            if following in done:
                following.result()
            if done:
                break
    finally:
        rejected = int(feed.status()["rejected"])
        await ended([following, stopped])
    return rejected


def _check(out: Path, process: str) -> None:
    if not out.exists():
        return
    if not is_tape(out):
        raise BadInput("it is not a tape", location=str(out), todo="choose another --out")
    with JournalReader(out) as reader:
        if reader.process != process:
            what = reader.process or "something else"
            raise BadInput(
                f"the tape was written by {what}, not by {process}", location=str(out), todo="choose another --out"
            )


def _size(out: Path) -> int:
    return sum(each.stat().st_size for each in out.glob("*.tape"))


def _recorded(
    out: Path, rejected: int, seconds: float, bytes_a_day: float, days: float | None, pruned: int
) -> Recording:
    contents = contents_of(out)
    by_symbol: dict[str, dict[str, int]] = {i.symbol: {} for i in contents.streams.values()}
    by_type: Counter[str] = Counter()
    for stream, counts in contents.counts.items():
        if stream not in contents.streams:
            continue
        found = by_symbol[contents.streams[stream].symbol]
        for type_id, count in counts.items():
            if type_id in MARKET_TYPES:
                name = EventType.from_id(type_id).value
                found[name] = found.get(name, 0) + count
                by_type[name] += count
    first, last = tape_span(out) or (0, 0)
    return Recording(
        out,
        list(by_symbol),
        by_type.total(),
        dict(by_type),
        by_symbol,
        first,
        last,
        rejected,
        seconds,
        bytes_a_day / GB,
        days,
        pruned,
    )

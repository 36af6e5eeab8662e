"""Check for look-ahead (`backtest --check-lookahead`): each decision must be the same when the tape is cut after it."""

from __future__ import annotations

import datetime
import os
import sys
import sysconfig
import tempfile
import time
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np

import onetape
from onetape.engine.actions import first_difference, read_actions
from onetape.engine.plan import RunPlan, TapeInput
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import Divergence
from onetape.replay.repeating import Until, instrument_overrides, repeat, strategy_of
from onetape.replay.repetition import Recording
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.schema import INSTRUMENT_TYPE

__all__ = ["CUTS", "check_lookahead", "cut_tape"]

CUTS = 8  # cuts are spread evenly over the decisions; each repeats the run up to its cut


PROVEN: Final = (
    "at each cut, all decisions up to it were the same on a tape that ends there; "
    "the strategy opened no file, folder, database, socket or process of its own, and read no clock"
)
NOT_PROVEN: Final = (
    "decisions between the cuts; data that are written in the source; what libraries in other languages "
    "open by themselves (polars, DuckDB); parameters and models that were chosen on this data"
)
_READS: Final = (
    "open",
    "onetape.open",
    "os.listdir",
    "os.scandir",
    "sqlite3.connect",
    "subprocess.Popen",
    "os.system",
    "os.posix_spawn",
    "os.fork",
    "os.exec",
    "mmap.__new__",
    "shelve.open",
    "dbm.open",
)
_CLOCKS: Final = frozenset(
    getattr(time, name)
    for name in (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "process_time_ns",
        "localtime",
        "gmtime",
        "clock_gettime",
        "clock_gettime_ns",
    )
    if hasattr(time, name)
) | {datetime.datetime.now, datetime.datetime.utcnow, datetime.datetime.today, datetime.date.today}
_PACKAGE: Final = str(Path(onetape.__file__).resolve().parent) + os.sep
_LIBRARIES: Final = tuple(
    os.path.realpath(each) + os.sep
    for each in (*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, *zoneinfo.TZPATH)
)


class _Watch:
    """Records accesses while a run is repeated. forbidden: paths of the tested data. own: files that the repetition
    itself uses."""

    def __init__(self, forbidden: Sequence[Path], own: Sequence[Path]) -> None:
        self.forbidden = [os.path.realpath(path) for path in forbidden]
        self.own = [os.path.realpath(path) for path in own]
        self.opened: list[str] = []  # accesses to the data
        self.outside: list[str] = []  # other accesses, with the line of the strategy

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _READS and not event.startswith("socket."):
            return
        path = None
        if arguments and isinstance(arguments[0], (str, bytes, os.PathLike)) and not event.startswith("socket."):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if _is_in(path, self.forbidden):
                self.opened.append(path)
                return
            if _is_in(path, self.own) or path.startswith((_PACKAGE, *_LIBRARIES)):
                return
            if event == "open" and _only_writes(arguments):
                return
        place = _strategys_line(sys._getframe(2))
        if place is not None:
            self.outside.append(f"{path or event} ({place})")

    def profile(self, frame: FrameType, event: str, called: Any) -> None:
        """Record calls of clocks, which have no audit event."""
        if event == "c_call" and called in _CLOCKS and _is_strategys(frame.f_code.co_filename):
            self.outside.append(f"a clock, {called.__name__} ({_place(frame)})")


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path == each or path.startswith(each + os.sep) for each in folders)


def _only_writes(arguments: tuple[Any, ...]) -> bool:
    mode = arguments[1] if len(arguments) > 1 else None
    if isinstance(mode, str):
        return "+" not in mode and mode[:1] in ("w", "a", "x")
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and flags & os.O_ACCMODE == os.O_WRONLY


def _is_strategys(file: str) -> bool:
    return not file.startswith("<frozen") and not os.path.realpath(file).startswith((_PACKAGE, *_LIBRARIES))


def _place(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _strategys_line(frame: FrameType | None) -> str | None:
    """Returns the innermost line of the strategy's own code in the stack; None when the engine or an import reads."""
    while frame is not None and frame.f_code is not check_lookahead.__code__:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib") or Path(file).name == "linecache.py":
            return None
        if _is_strategys(file):
            return _place(frame)
        frame = frame.f_back
    return None


# Audit hooks cannot be removed: a single one is created on first use, and does nothing without a watch.
_watches: list[_Watch] = []
_hooks: list[object] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in _watches:
        watch.audit(event, arguments)


@contextmanager
def watched(forbidden: Sequence[Path], own: Sequence[Path] = ()) -> Iterator[_Watch]:
    """Record within the block each access to the tested data, and other reads (clocks included) by the strategy's own
    code. Accesses by other processes and native libraries are not seen.
    """
    if not _hooks:
        sys.addaudithook(_hook)
        _hooks.append(_hook)
    watch = _Watch(forbidden, own)
    _watches.append(watch)
    before = sys.getprofile()
    sys.setprofile(watch.profile)
    try:
        yield watch
    finally:
        sys.setprofile(before)
        _watches.remove(watch)


def check_lookahead(plan: RunPlan, run: Path, *, actions: int, forbidden: Sequence[Path] = ()) -> dict[str, Any]:
    """Repeat the run on tapes that are cut after a decision. Raises Divergence for the first decision that needed the
    future, and for reads by the strategy itself: data, files, sockets, clocks.

    actions: number of actions before on_stop.
    forbidden: data that only the engine may read, such as the files from which the tapes were imported.
    """
    full = read_actions(run / "journal").head(actions)
    times = np.unique(full.columns["time"])
    if not len(times):
        return {"cuts": 0, "decisions": 0, "differing": 0}
    picked = np.unique(times[np.linspace(0, len(times) - 1, min(CUTS, len(times))).astype(int)])
    for moment in picked.tolist():
        with tempfile.TemporaryDirectory(prefix="onetape-cut-") as scratch:
            inputs = []
            for number, each in enumerate(plan.inputs):
                target = Path(scratch) / f"{number}.tape"
                cut_tape(Path(each.path), target, moment)
                inputs.append(TapeInput(str(target), role=each.role))
            cut = replace(plan, inputs=inputs)
            own = [Path(scratch), run]
            with watched([*(Path(each.path) for each in plan.inputs), *forbidden], own) as watch:
                # Loaded again, so that reads during its import are recorded, too.
                journal = Path(scratch) / "journal"
                spec = RunSpec(cut, strategy_of(run, plan), journal, instruments=instrument_overrides(run))
                repetition = repeat(Recording(spec), Until(moment=moment))
        if watch.opened:
            raise Divergence(
                f"the strategy itself reads the tested data: {watch.opened[0]}",
                location="--check-lookahead",
                todo="use only data from callbacks and services",
            )
        if watch.outside:
            raise Divergence(
                f"the strategy reads data that are not on the tape and may contain the future: {watch.outside[0]}",
                location="--check-lookahead",
                todo="bring it in as a tape or a parameter, and use self.now as the clock",
            )
        expected = full.where(full.columns["time"] <= moment)
        got = repetition.actions.where(repetition.actions.columns["time"] <= moment)
        count, _, words = first_difference(expected, got)
        if count:
            raise Divergence(
                f"a decision changes when the tape ends after it: {words}",
                location="--check-lookahead",
                todo="the strategy sees the future: look for files, globals or whole-tape reads",
            )
    return {"cuts": len(picked), "decisions": len(full), "differing": 0, "proven": PROVEN, "not_proven": NOT_PROVEN}


def cut_tape(source: Path, target: Path, last_time: int) -> None:
    """Copy `source` up to the last frame of time <= last_time."""
    with JournalReader(source) as reader, JournalWriter(target, uuid=reader.uuid, durable=False) as writer:
        streams = set()
        for type_id, stream, payload in reader.core.preamble:
            if type_id == INSTRUMENT_TYPE:
                writer.append_instrument(stream, 0, payload)
                streams.add(stream)
        for frame in reader.frames():
            if frame.time > last_time:
                break
            if frame.type == INSTRUMENT_TYPE and frame.stream not in streams:
                writer.append_instrument(frame.stream, frame.time, frame.payload)
            elif frame.type != INSTRUMENT_TYPE:
                writer.append(frame.type, frame.payload, flags=frame.flags, stream=frame.stream, time=frame.time)

"""Lines of processes: the supervisor's log, which includes their standard error, and strategies' logs from the tapes
of their runs."""

from __future__ import annotations

import contextlib
import json
import time as clock
import tomllib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.dashboard.options import DASHBOARD, has_dashboard
from onetape.model.errors import OnetapeError, UsageError
from onetape.model.sections import TELEGRAM, Config
from onetape.model.time import format_time, parse_time
from onetape.options.cluster import CLUSTER, has_cluster
from onetape.options.control import CONTROL, has_control
from onetape.options.guardian import GUARDIAN, STANDBY, has_guardian
from onetape.options.hub import HUB, has_hub
from onetape.options.recorder import RECORDER, has_recorder
from onetape.supervisor.log import ON_TAPE, SYSTEM_LOG, log_files
from onetape.tape.inspect import look_back
from onetape.tape.journal import JournalReader

__all__ = ["LINES_MAX", "log_lines", "recent_lines"]

LINES_MAX: Final = 1000  # in an answer
ANSWER_BYTES: Final = 48 << 10  # a line between processes has 64 kB

FOLLOW_S: Final = 0.25

Row = tuple[int, dict[str, Any]]  # ns UTC, the shown fields


def log_lines(
    home: Path, config: Config, process: str = "", *, count: int = 100, follow: bool = False
) -> Iterator[dict[str, Any]]:
    """Yields rows of time (UTC, text), level, process and text, of a strategy's also `fields`: the newest `count` in
    time order, then, with `follow`, new ones, without end.

    process: only this one, a robot's also by its bare name. Raises UsageError for an unknown one.
    """
    names = _names(config)
    wanted = f"robot:{process}" if process in config.robots else process
    robots = [name for name in config.robots if wanted in ("", f"robot:{name}")]
    runs = _Runs(home)
    log, tapes = _Log(home, wanted), [_Tapes(runs, name) for name in robots]
    sources: tuple[_Log | _Tapes, ...] = (log, *tapes)
    found: list[Row] = [row for each in sources for row in each.last(count)]
    if wanted and wanted not in names and not found:
        raise UsageError(f"no process {process!r}", todo=f"one of {', '.join(sorted(names))}")
    found.sort(key=_time)
    yield from (row for _, row in found[len(found) - min(count, len(found)) :])
    while follow:
        found = [row for each in sources for row in each.new()]
        yield from (row for _, row in sorted(found, key=_time))
        if not found:
            clock.sleep(FOLLOW_S)


def recent_lines(home: Path, process: str, count: int) -> list[dict[str, Any]]:
    """Returns the newest rows of the supervisor's log, as many as fit into an answer. process: "": of all."""
    rows = [row for _, row in _Log(home, process).last(count)][-count:]
    sizes = [len(json.dumps(row)) for row in rows]
    while rows and sum(sizes) > ANSWER_BYTES:
        del rows[0], sizes[0]
    return rows


def _names(config: Config) -> set[str]:
    parts: dict[str, Iterable[str]] = {
        "venue": config.venues,
        "gateway": config.accounts,
        "robot": config.robots,
        "collector": config.collectors,
    }
    named = (f"{kind}:{name}" for kind, section in parts.items() for name in section)
    sections = (
        (CLUSTER, has_cluster(config)),
        (HUB, has_hub(config)),
        (GUARDIAN, has_guardian(config)),
        (RECORDER, has_recorder(config)),
        (CONTROL, has_control(config)),
        (TELEGRAM, config.notify.telegram is not None),
        (DASHBOARD, has_dashboard(config)),
    )
    standby = {STANDBY} if has_guardian(config) and config.guardian.standby else ()
    return {"supervisor", *(name for name, is_there in sections if is_there), *standby, *named}


def _time(row: Row) -> int:
    return row[0]


class _Log:
    """Reads the supervisor's log with its older files, and follows it."""

    def __init__(self, home: Path, process: str) -> None:
        self._process = process
        self._folder = home / "logs"
        self._file = 0  # inode, to recognize another file
        self._at = 0  # bytes

    def last(self, count: int) -> list[Row]:
        """Returns the newest ones; then `new` yields later ones."""
        found: deque[Row] = deque()
        *before, newest = log_files(self._folder, SYSTEM_LOG)
        self._file = _number(newest)
        found.extend(self._rows(newest))
        at = self._at
        for path in reversed(before):
            if len(found) >= count:
                break
            self._at = 0
            found.extendleft(reversed(list(self._rows(path))))
        self._at = at
        return list(found)

    def new(self) -> Iterator[Row]:
        """Yields the new lines of the file read last, wherever it is now, and of later files."""
        files = log_files(self._folder, SYSTEM_LOG)
        numbers = [_number(path) for path in files]
        first = numbers.index(self._file) if self._file in numbers else len(files) - 1
        for path, number in zip(files[first:], numbers[first:], strict=True):
            if number != self._file:
                self._file, self._at = number, 0
            yield from self._rows(path)

    def _rows(self, path: Path) -> Iterator[Row]:
        try:
            with path.open("rb") as source:
                source.seek(self._at)
                for line in source:
                    if not line.endswith(b"\n"):
                        return  # being written
                    self._at += len(line)
                    yield from self._row(line)
        except FileNotFoundError:
            return

    def _row(self, line: bytes) -> Iterator[Row]:
        try:
            row = json.loads(line)
            time, process, text = parse_time(row["time"]), row["process"], row["text"]
        except (ValueError, KeyError, TypeError, OnetapeError):
            return  # cut by a full disk
        is_on_tape = process.startswith("robot:") and ON_TAPE.match(text)
        if self._process in ("", process) and not is_on_tape:
            yield time, row


def _number(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


class _Runs:
    """Finds the robot of each run. A run's log is not read again."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "runs"
        self._robots: dict[str, str | None] = {}  # by the run's name

    def of(self, robot: str) -> list[Path]:
        """Returns a robot's runs, which are named by their time of beginning."""
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.name not in self._robots:
                    self._look(path.name)
        return [self._folder / name for name in sorted(self._robots) if self._robots[name] == robot]

    def _look(self, name: str) -> None:
        try:
            document = tomllib.loads((self._folder / name / "run.toml").read_text())
        except (OSError, ValueError):
            return  # being written
        self._robots[name] = document.get("state", {}).get("robot")


class _Tapes:
    """Reads a strategy's log, from run to run."""

    def __init__(self, runs: _Runs, robot: str) -> None:
        self._runs, self._robot = runs, robot
        self._reader: JournalReader | None = None  # of the newest run
        self._open: Path | None = None

    def last(self, count: int) -> list[Row]:
        """Returns the newest ones, of as many runs as needed; then `new` yields later ones."""
        folders = self._runs.of(self._robot)
        found: deque[Row] = deque()
        if folders and self._opened(folders[-1]) and self._reader is not None:
            found.extend(self._last_of(self._reader, count))
        for folder in reversed(folders[:-1]):
            if len(found) >= count:
                break
            with JournalReader(folder / "journal") as reader:
                found.extendleft(reversed(self._last_of(reader, count - len(found))))
        return list(found)

    def new(self) -> Iterator[Row]:
        newest = next(reversed(self._runs.of(self._robot)), None)
        if self._reader is not None:
            yield from self._rows(self._reader)
        if newest is not None and newest != self._open and self._opened(newest):
            assert self._reader is not None
            yield from self._rows(self._reader)

    def _opened(self, folder: Path) -> bool:
        try:
            reader = JournalReader(folder / "journal")
        except OnetapeError:
            return False  # being created
        if self._reader is not None:
            self._reader.close()
        self._reader, self._open = reader, folder
        return True

    def _last_of(self, reader: JournalReader, count: int) -> list[Row]:
        return look_back(reader, lambda: self._rows(reader), count)

    def _rows(self, reader: JournalReader) -> Iterator[Row]:
        for frame in reader.frames(("log",)):
            said = msgspec.msgpack.decode(frame.payload)
            yield (
                frame.time,
                {
                    "time": format_time(frame.time),
                    "level": said["level"],
                    "process": f"robot:{self._robot}",
                    "text": said["text"],
                    "fields": said.get("fields") or {},
                },
            )

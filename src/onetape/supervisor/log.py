"""The log as lines of JSON: `<home>/logs/system.log` has all, `error.log` the errors.

The standard error of processes is copied line by line. A file that is too long, or of another day (UTC), is put
aside, with `.` and the time appended to its name. Those that are too old are deleted, and the oldest when the total
exceeds its limit.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from onetape.security.private import private_folder

__all__ = ["ERROR_LOG", "ON_TAPE", "SYSTEM_LOG", "SystemLog", "log_files"]

SYSTEM_LOG: Final = "system.log"
ERROR_LOG: Final = "error.log"
BYTES_MAX: Final = 16 << 20  # of one file, and of a process's standard error
FILES_MIN: Final = 8  # minimum number of files within the total limit
DAY_CHARS: Final = 10  # length of the date in a timestamp
LINE_MAX: Final = 4000  # characters per line; the rest is cut off
READ_BYTES: Final = 256 << 10  # per process and read
ERRORS: Final = ("error ", "Traceback", "gateway: ")
# A strategy's warning is also printed to standard error; the tape has it with its fields.
ON_TAPE: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (warning|error): ")


def log_files(folder: Path, name: str) -> list[Path]:
    """Returns the files of one log, the oldest first; the last is the current one, existing or not."""
    return [*sorted(folder.glob(f"{name}.*")), folder / name]


class SystemLog:
    """Writes the system's log. now: ns UTC. keep_ns: files put aside longer ago are deleted; size: bytes of all
    files together, beyond which the oldest are deleted; 0: no limit."""

    def __init__(self, home: Path, *, keep_ns: int = 0, size: int = 0) -> None:
        self._folder = private_folder(home / "logs")
        self._keep_ns, self._size = keep_ns, size
        self._file_max = min(BYTES_MAX, size // FILES_MIN) if size else BYTES_MAX
        self._days = {name: self._day_of(name) for name in (SYSTEM_LOG, ERROR_LOG)}
        self._read: dict[Path, tuple[int, int]] = {}  # of each file: its identity, and the position
        self._lost = 0  # lines lost on a full disk

    def write(self, now: int, level: str, process: str, text: str) -> None:
        """Writes a line. level: info, warning or error."""
        line = _line(now, level, process, text)
        try:
            if self._lost:
                words = f"{self._lost} lines could not be written"
                self._append(SYSTEM_LOG, _line(now, "warning", "supervisor", words), now)
                self._lost = 0
            for name in (SYSTEM_LOG, ERROR_LOG)[: 2 if level == "error" else 1]:
                self._append(name, line, now)
        except OSError:  # the disk is full: the journal has it, too
            self._lost += 1

    def take(self, now: int, process: str, file: Path) -> str:
        """Copies the new lines of a process's standard error; returns the last one, "" for none. An incomplete line
        waits."""
        try:
            with file.open("rb") as source:
                number = os.fstat(source.fileno()).st_ino
                size = os.fstat(source.fileno()).st_size
                before, at = self._read.get(file, (number, 0))
                if before != number or at > size:  # it was begun anew
                    at = 0
                source.seek(at)
                data = source.read(READ_BYTES)
        except FileNotFoundError:
            return ""
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == READ_BYTES:
            whole = len(data)
        self._read[file] = (number, at + whole)
        if at + whole == size > BYTES_MAX:  # all is copied: truncate, so that the next line is at its beginning
            with suppress(OSError):
                os.truncate(file, 0)
        last = ""
        for line in data[:whole].decode("utf-8", "replace").splitlines():
            if line.strip():
                last = line.strip()
                self.write(now, _level(line), process, line)
        return last

    def begin(self, file: Path) -> None:
        """Notes that the process begins its file anew."""
        self._read.pop(file, None)

    def _append(self, name: str, line: str, now: int) -> None:
        path = self._folder / name
        day = _moment(now)[:DAY_CHARS]
        if self._days[name] not in ("", day):
            self._put_aside(path, now)
        self._days[name] = day
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line.encode("utf-8", "replace"))
            size = os.fstat(file).st_size
        finally:
            os.close(file)
        if size > self._file_max:
            self._put_aside(path, now)

    def _put_aside(self, path: Path, now: int) -> None:
        self._days[path.name] = ""
        files = [each for name in (SYSTEM_LOG, ERROR_LOG) for each in log_files(self._folder, name)[:-1]]
        files.sort(key=_put_aside_at)
        # Never before an earlier one, also after the clock was set back.
        stamp = max(_moment(now), f"{_put_aside_at(files[-1])}+" if files else "")
        with suppress(FileNotFoundError):
            files.append(path.replace(path.with_name(f"{path.name}.{stamp}")))
        oldest = _moment(now - self._keep_ns) if self._keep_ns else ""
        left = sum(each.stat().st_size for each in files) + 2 * self._file_max
        for each in files:
            if _put_aside_at(each) < oldest or (self._size and left > self._size):
                left -= each.stat().st_size
                each.unlink()

    def _day_of(self, name: str) -> str:
        """Returns the day of the current file's first line; "": there is none."""
        with suppress(OSError), (self._folder / name).open("rb") as file:
            found = file.readline(LINE_MAX).partition(b'"time": "')[2]
            return found[:DAY_CHARS].decode("ascii", "replace")
        return ""


def _put_aside_at(file: Path) -> str:
    return file.name.partition(".log.")[2]


def _moment(now: int) -> str:
    moment = datetime.fromtimestamp(now // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{now % 10**9 // 1000:06d}Z"


def _level(line: str) -> str:
    if found := ON_TAPE.match(line):
        return found[1]
    return "error" if line.startswith(ERRORS) else "info"


def _line(now: int, level: str, process: str, text: str) -> str:
    record = {"time": _moment(now), "level": level, "process": process, "text": text[:LINE_MAX]}
    return json.dumps(record, ensure_ascii=False) + "\n"

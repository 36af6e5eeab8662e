"""The log as lines of JSON: `<home>/logs/system.log` has all, `error.log` what went wrong.

What a process writes to its standard error is taken over line by line. A file that has grown long
is put aside as `.1`; one of those is kept.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from onetape.security.private import private_folder

__all__ = ["SYSTEM_LOG", "SystemLog"]

SYSTEM_LOG: Final = "system.log"
BYTES_MAX: Final = 16 << 20
LINE_MAX: Final = 4000  # letters of one; the rest is cut off
READ_BYTES: Final = 256 << 10  # of one process at a time
ERRORS: Final = ("error ", "Traceback", "gateway: ")


class SystemLog:
    """now, where asked for, is ns UTC."""

    def __init__(self, home: Path) -> None:
        self._folder = private_folder(home / "logs")
        self._read: dict[Path, tuple[int, int]] = {}  # of each file: which one, how far
        self._lost = 0  # lines that a full disk did not take

    def write(self, now: int, level: str, process: str, text: str) -> None:
        """level: info, warning or error."""
        moment = datetime.fromtimestamp(now // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        record = {
            "time": f"{moment}.{now % 10**9 // 1000:06d}Z",
            "level": level,
            "process": process,
            "text": text[:LINE_MAX],
        }
        line = json.dumps(record, ensure_ascii=False) + "\n"
        try:
            if self._lost:
                lost, self._lost = self._lost, 0
                self.write(now, "warning", "supervisor", f"{lost} lines could not be written")
            self._append(SYSTEM_LOG, line)
            if level == "error":
                self._append("error.log", line)
        except OSError:  # the disk is full: what is said stands on the journal, too
            self._lost += 1

    def take(self, now: int, process: str, file: Path) -> str:
        """What a process has complained of since the last call; gives its last line, "" for none.
        A line that is not complete waits."""
        try:
            with file.open("rb") as source:
                number = os.fstat(source.fileno()).st_ino
                size = os.fstat(source.fileno()).st_size
                before, at = self._read.get(file, (number, 0))
                if before != number or at > size:  # begun anew
                    at = 0
                source.seek(at)
                data = source.read(READ_BYTES)
        except FileNotFoundError:
            return ""
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == READ_BYTES:
            whole = len(data)
        self._read[file] = (number, at + whole)
        last = ""
        for line in data[:whole].decode("utf-8", "replace").splitlines():
            if line.strip():
                last = line.strip()
                self.write(now, "error" if line.startswith(ERRORS) else "info", process, line)
        return last

    def begin(self, file: Path) -> None:
        """The process begins its file anew."""
        self._read.pop(file, None)

    def _append(self, name: str, line: str) -> None:
        path = self._folder / name
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line.encode("utf-8", "replace"))
            size = os.fstat(file).st_size
        finally:
            os.close(file)
        if size > BYTES_MAX:
            path.replace(path.with_name(f"{name}.1"))

"""A process of the supervisor's: made, found again, waited for.

What it says when it is ready and what it complains of goes into files, not pipes: it must not
notice that its supervisor died, and the next one must find what was said. Its options come over
standard input once its number is written down, so that none runs of which nobody knows.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["ChildFiles", "Process", "start_time"]

PIPE_BYTES: Final = 60_000  # what a pipe takes at once; options are far smaller


class ChildFiles:
    """Where a process says that it is ready (`out`) and what is wrong (`err`)."""

    def __init__(self, home: Path, name: str) -> None:
        plain = name.replace(":", "-")
        self.out = home / "run" / f"{plain}.out"
        self.err = home / "run" / f"{plain}.err"

    def line(self) -> bytes:
        """The line with which it became ready, b"" before."""
        try:
            with self.out.open("rb") as file:
                line = file.readline()
        except FileNotFoundError:
            return b""
        return line if line.endswith(b"\n") else b""

    def said(self) -> str:
        """What it has said of itself since it is ready: the last whole line, "" for none."""
        try:
            lines = self.out.read_bytes().split(b"\n")[1:-1]
        except FileNotFoundError:
            return ""
        return lines[-1].decode("utf-8", "replace") if lines else ""


class Process:
    """One that runs. `file` can be read from once it has ended."""

    def __init__(self, pid: int, started: int, popen: subprocess.Popen[bytes] | None) -> None:
        self.pid, self.started = pid, started
        self._popen = popen
        self.file = os.pidfd_open(pid)

    @classmethod
    def make(cls, module: str, files: ChildFiles, environ: Mapping[str, str]) -> Process:
        """It waits for `go`, and ends by itself if that does not come. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        out = os.open(files.out, flags | os.O_APPEND, 0o600)
        err = os.open(files.err, flags | os.O_APPEND, 0o600)
        try:
            popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=out, stderr=err,
                start_new_session=True, env=dict(environ),
            )  # fmt: skip
        finally:
            os.close(out)
            os.close(err)
        return cls(popen.pid, start_time(popen.pid), popen)

    @classmethod
    def find(cls, pid: int, started: int) -> Process | None:
        """One that an earlier supervisor has started, None: it is no more."""
        if start_time(pid) != started:
            return None
        try:
            found = cls(pid, started, None)
        except ProcessLookupError:
            return None
        if start_time(pid) != started or found.has_ended:  # it went while we looked
            found.close()
            return None
        return found

    def go(self, options: bytes) -> None:
        """Hands the options over."""
        assert len(options) < PIPE_BYTES
        assert self._popen is not None and self._popen.stdin is not None
        with suppress(BrokenPipeError):  # it died: that is heard of in another way
            self._popen.stdin.write(options)
            self._popen.stdin.close()

    def drop(self) -> None:
        """It was made, and is not needed."""
        self.go(b"")
        self.signal(signal.SIGKILL)
        self.end()

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.file, number)

    @property
    def has_ended(self) -> bool:
        return bool(select.select([self.file], [], [], 0)[0])

    def end(self) -> int | None:
        """After its end: its exit code, None where another was its parent."""
        code = None if self._popen is None else self._popen.wait()
        self.close()
        return code

    def close(self) -> None:
        os.close(self.file)


def start_time(pid: int) -> int:
    """In the system's own unit since its boot: with the number it names one process. 0: no such."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    after = text.rpartition(")")[2].split()
    return 0 if after[0] == "Z" else int(after[19])

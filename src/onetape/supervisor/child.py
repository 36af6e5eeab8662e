"""A process of the supervisor's: created, found again, waited for.

Its ready line and its errors go into files, not pipes: it must not notice the death of its supervisor, and the next
one must find them. Its options come over standard input once its pid is on record, so that no unrecorded process
runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from onetape.ipc.process_ids import start_time
from onetape.robot.options import said_lines
from onetape.supervisor.fork_server import ForkServer, is_readable
from onetape.supervisor.options import MODULES

__all__ = ["ChildFiles", "Process"]

PIPE_BYTES: Final = 60_000  # capacity of a pipe; options are far smaller


class ChildFiles:
    """The files for a process's ready line (`out`) and its errors (`err`)."""

    def __init__(self, home: Path, name: str) -> None:
        plain = name.replace(":", "-")
        self.out = home / "run" / f"{plain}.out"
        self.err = home / "run" / f"{plain}.err"

    def line(self) -> bytes:
        """Returns the process's ready line, b"" until it is ready."""
        _, said = said_lines(self.out)
        return said[0] if said else b""

    def said(self) -> str:
        """Returns the process's last report: before it is ready, what it waits for; "": none."""
        waits, said = said_lines(self.out)
        lines = said[1:] if said else waits
        return lines[-1].decode("utf-8", "replace").strip() if lines else ""


class Process:
    """Identifies a process. `file` becomes readable at its end."""

    def __init__(self, pid: int, started: int, code: Callable[[], int | None], options: int = -1) -> None:
        """code: returns its exit code, called after its end. options: the file to write them to."""
        self.pid, self.started = pid, started
        self._code, self._options = code, options
        self.file = os.pidfd_open(pid)

    @classmethod
    def make(
        cls, kind: str, name: str, files: ChildFiles, environ: Mapping[str, str], forks: ForkServer | None = None
    ) -> Process:
        """Creates a process that waits for `go`, and ends by itself without it. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        options, written = os.pipe()
        fds = [options]
        try:
            fds += [os.open(each, flags | os.O_APPEND, 0o600) for each in (files.out, files.err)]
            pid = forks.make(kind, name, (fds[0], fds[1], fds[2])) if forks is not None else None
            if pid is not None and forks is not None:
                return cls(pid, start_time(pid), partial(forks.code_of, pid), written)
            popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", MODULES[kind]],
                stdin=fds[0],
                stdout=fds[1],
                stderr=fds[2],
                start_new_session=True,
                env=dict(environ),
            )
            return cls(popen.pid, start_time(popen.pid), popen.wait, written)
        except OSError:
            os.close(written)
            raise
        finally:
            for each in fds:
                os.close(each)

    @classmethod
    def find(cls, pid: int, started: int) -> Process | None:
        """Finds a process that an earlier supervisor started, None: it has ended."""
        if start_time(pid) != started:
            return None
        try:
            found = cls(pid, started, lambda: None)  # it has another parent
        except ProcessLookupError:
            return None
        if start_time(pid) != started or found.has_ended:  # it ended meanwhile
            found.close()
            return None
        return found

    def go(self, options: bytes) -> None:
        """Sends the options."""
        assert len(options) < PIPE_BYTES
        with suppress(BrokenPipeError):  # it died, which is noticed in another way
            os.write(self._options, options)
        self._forget_options()

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.file, number)

    @property
    def has_ended(self) -> bool:
        return is_readable(self.file, 0)

    def end(self) -> int | None:
        """Returns the exit code after its end, None if it had another parent."""
        code = self._code()
        self.close()
        return code

    def close(self) -> None:
        self._forget_options()
        os.close(self.file)

    def _forget_options(self) -> None:
        if self._options >= 0:
            os.close(self._options)
            self._options = -1

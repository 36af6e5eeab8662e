"""The supervisor's end of `fork_server_main`: requests processes and learns of their ends.

Without it, or before it is ready, processes are created the slow way: nothing depends on it.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.typed import from_json

__all__ = ["MESSAGE_BYTES", "Ended", "ForkServer", "Made", "Ready", "Wanted", "is_readable"]

MESSAGE_BYTES: Final = 4096
ANSWER_S: Final = 10.0  # a fork takes milliseconds; a new kind, its imports


class Wanted(msgspec.Struct, frozen=True):
    """Requests a process of a kind. Its standard input, output and error come with it."""

    kind: str
    name: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Processes of the first kind can be created now."""


class Made(msgspec.Struct, frozen=True, tag=True):
    name: str
    pid: int


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A process has ended. code: as in subprocess, negative for a signal."""

    pid: int
    code: int


def is_readable(file: int | socket.socket, seconds: float) -> bool:
    """Waits until a file is readable, or at its end. Unlike `select`, for descriptors of any number."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class ForkServer:
    """Runs a fork server, and requests processes. `file` is readable when it has a message, or has ended."""

    def __init__(self, kinds: Iterable[str], environ: Mapping[str, str], err: Path) -> None:
        """err: for its errors. Raises OSError."""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, err.open("wb") as complaints:
            self._popen = subprocess.Popen(  # noqa: S603
                [
                    sys.executable,
                    "-m",
                    "onetape.supervisor.fork_server_main",
                    str(theirs.fileno()),
                    *dict.fromkeys(kinds),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
                env=dict(environ),
            )
        self.file = self._line.fileno()
        self.is_ready = False
        self.has_ended = False
        self._made: dict[str, int] = {}
        self._codes: dict[int, int] = {}

    @property
    def pid(self) -> int:
        return self._popen.pid

    def make(self, kind: str, name: str, fds: tuple[int, int, int]) -> int | None:
        """Returns a new process's pid; it has its own copies of fds. None: there is no server."""
        if self.has_ended:
            return None
        wanted = msgspec.json.encode(Wanted(kind, name))
        self._made.pop(name, None)
        try:
            socket.send_fds(self._line, [wanted], fds)
        except OSError:
            self.close()
            return None
        self._read_until(lambda: name in self._made)
        return self._made.pop(name, None)

    def code_of(self, pid: int) -> int | None:
        """Returns the exit code of an ended process, None: unknown."""
        self._read_until(lambda: pid in self._codes)
        return self._codes.pop(pid, None)

    def read(self) -> None:
        """Reads its messages."""
        while not self.has_ended and is_readable(self._line, 0):
            self._take()

    def close(self) -> None:
        """Closes it; the processes it has made run on."""
        self.has_ended, self.is_ready = True, False
        self._line.close()
        with suppress(ProcessLookupError):
            self._popen.kill()
        self._popen.wait()

    def _read_until(self, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + ANSWER_S
        while not is_there() and not self.has_ended:
            left = deadline - time.monotonic()
            if left <= 0 or not is_readable(self._line, left):
                self.close()  # it hangs: a request that it still performs would have no owner
                return
            self._take()

    def _take(self) -> None:
        try:
            message = self._line.recv(MESSAGE_BYTES)
        except OSError:
            message = b""
        if not message:
            self.close()
            return
        match from_json(message, Ready | Made | Ended):
            case Made(name, pid):
                self._made[name] = pid
            case Ended(pid, code):
                self._codes[pid] = code
            case _:
                self.is_ready = True

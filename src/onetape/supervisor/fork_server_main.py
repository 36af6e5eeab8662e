"""Creates the supervisor's processes: `python -m onetape.supervisor.fork_server_main SOCKET KIND...`.

It imports the modules of these kinds once, and forks for each process: a robot begins in milliseconds, and all have
the same code. It does nothing else: it has no event loop, no threads of ours and no secrets, which reach a process
over its own standard input. It ends with the supervisor's end of the socket; its processes run on.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.typed import from_json
from onetape.supervisor.fork_server import MESSAGE_BYTES, Ended, Made, Ready, Wanted
from onetape.supervisor.options import MODULES

__all__ = ["main"]

HELD_FDS: Final = 3  # standard input, output and error; higher ones are the server's own


class _Server:
    """Serves one end of the socket. Single-threaded, as a forking process must be. kinds: of expected processes, in
    this order: those of the first can begin while it imports the modules of the others."""

    def __init__(self, line: socket.socket, kinds: Iterable[str]) -> None:
        self.line = line
        self._kinds = list(kinds)
        self._woken, woken_by = os.pipe()
        for end in (self._woken, woken_by):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken_by)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal; the supervisor decides

    def serve(self) -> Callable[[], Any] | None:
        """Returns, in a created process: its main function; in the server, after its end: None."""
        self._import_next()
        self._tell(Ready())
        poll = select.poll()
        for readable in (self.line.fileno(), self._woken):
            poll.register(readable, select.POLLIN)
        while True:
            ready = {number for number, _ in poll.poll(0 if self._kinds else None)}
            if not ready:
                self._import_next()
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self.line.fileno() in ready:
                message, fds, _, _ = socket.recv_fds(self.line, MESSAGE_BYTES, HELD_FDS)
                if not message:
                    return None
                work = self._make(from_json(message, Wanted), fds)
                if work is not None:
                    return work

    def _import_next(self) -> None:
        if self._kinds:
            importlib.import_module(MODULES[self._kinds.pop(0)])
            gc.collect()
            gc.freeze()  # keeps shared memory shared: a collection would write to all of it

    def _make(self, wanted: Wanted, fds: list[int]) -> Callable[[], Any] | None:
        module = importlib.import_module(MODULES[wanted.kind])  # a kind added later
        pid = os.fork()
        if not pid:
            self._become(wanted.name, fds)
            work: Callable[[], Any] = module.main
            return work
        for descriptor in fds:
            os.close(descriptor)
        self._tell(Made(wanted.name, pid))
        return None

    def _become(self, name: str, fds: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        for target, descriptor in enumerate(fds):
            os.dup2(descriptor, target)
        self.line.close()
        os.closerange(HELD_FDS, os.sysconf("SC_OPEN_MAX"))
        Path("/proc/self/comm").write_bytes(name.encode()[:15])  # shown by `top` and `ps`
        if (numpy_random := sys.modules.get("numpy.random")) is not None:
            numpy_random.seed()  # Python's own generator does that itself

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._tell(Ended(pid, os.waitstatus_to_exitcode(status)))

    def _tell(self, what: Ready | Made | Ended) -> None:
        try:
            self.line.send(msgspec.json.encode(what))
        except OSError:  # the supervisor is gone: the next read shows it, too
            return


def main() -> int:
    line = socket.socket(fileno=int(sys.argv[1]))
    os.umask(0o077)
    work = _Server(line, sys.argv[2:]).serve()
    return 0 if work is None else work()


if __name__ == "__main__":
    sys.exit(main())

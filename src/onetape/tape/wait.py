"""Wait for journals, alone or inside an event loop that also watches sockets.

A process has one bell. It registers the bell at each journal that it follows, and sleeps until a
writer rings it. Where processes outnumber cores, spinning takes time from writers: it is off by
default.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from onetape import _core
from onetape.tape.journal import JournalReader

__all__ = ["JournalWatch", "Waiter", "bell_directory"]


def bell_directory() -> Path:
    """Returns the folder of this user's bells: under $XDG_RUNTIME_DIR, else the system's temporary folder."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"onetape-{os.geteuid()}"


class Waiter:
    """Waits for several readers by one bell. Use it from one thread."""

    def __init__(self, directory: Path | None = None) -> None:
        self.core = _core.Waiter(str(directory or bell_directory()))

    def add(self, reader: JournalReader) -> None:
        """Register at the reader's journal: only frames before its position may be pruned from then on."""
        self.core.add(reader.core)

    def remove(self, reader: JournalReader) -> None:
        """Deregister a reader before it is closed: it wakes nobody, and protects nothing from pruning."""
        self.core.remove(reader.core)

    def fileno(self) -> int:
        """Returns a descriptor that is readable when a writer rang."""
        return self.core.fd

    def wait(self, timeout: float | None = None, *, spin: float = 0.0) -> bool:
        """Returns True when a reader has a frame, False after `timeout` seconds or a `nudge`.

        spin: seconds of polling before sleep. The interpreter lock is free meanwhile, and signal handlers run within
        a tenth of a second.
        """
        return self.core.wait(-1.0 if timeout is None else timeout, spin)

    def nudge(self) -> None:
        """Make a running `wait`, or else the next one, return at once. Callable from any thread."""
        self.core.nudge()

    def follow(
        self,
        callback: Callable[[int, int, int, int, int, int, bytes], object],
        timeout: float | None = None,
        *,
        spin: float = 0.0,
    ) -> int:
        """Call callback(reader index, type, flags, sequence, time, stream, payload) for each frame, until it returns
        something true or no frame came for `timeout`. Returns their number."""
        return self.core.follow(callback, -1.0 if timeout is None else timeout, spin)


class JournalWatch:
    """Calls `handle` in an asyncio loop when a journal has frames: repeatedly, while it leaves some. pause_s: least
    time between two calls, in which no writer has to wake this process."""

    def __init__(
        self, waiter: Waiter, handle: Callable[[], object], loop: asyncio.AbstractEventLoop, *, pause_s: float = 0.0
    ) -> None:
        self._waiter, self._handle, self._loop, self._pause_s = waiter, handle, loop, pause_s
        self._timer: asyncio.TimerHandle | None = None
        loop.add_reader(waiter.fileno(), self._rung)
        loop.call_soon(self._work)

    def _rung(self) -> None:
        self._waiter.core.drain()
        self._work()

    def look(self) -> None:
        """Check now, and from now on also readers added to the waiter since."""
        self._work()

    def _work(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._handle()
        if self._pause_s:
            self._timer = self._loop.call_later(self._pause_s, self._arm)
        else:
            self._arm()

    def _arm(self) -> None:
        self._timer = None
        there, certain = self._waiter.core.arm()
        if there:
            self._loop.call_soon(self._work)  # lets sockets get their turn
        elif not certain:
            self._timer = self._loop.call_later(_core.BLIND_MS / 1000, self._work)

    def close(self) -> None:
        self._loop.remove_reader(self._waiter.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._waiter.core.drain()

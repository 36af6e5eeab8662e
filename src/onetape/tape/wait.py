"""Waiting for journals, alone or inside an event loop that also watches sockets.

A process has one bell. It joins each journal that it follows with it, and sleeps until a writer
rings. Where processes outnumber cores spinning takes time from whoever would ring: it is off
unless asked for.
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
    """Where this user's bells lie: under $XDG_RUNTIME_DIR, else the system's temporary folder."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"onetape-{os.geteuid()}"


class Waiter:
    """Waits for several readers by one bell. Use it from one thread."""

    def __init__(self, directory: Path | None = None) -> None:
        self.core = _core.Waiter(str(directory or bell_directory()))

    def add(self, reader: JournalReader) -> None:
        """Joins the reader's journal; what lies before its place may then be pruned, no more."""
        self.core.add(reader.core)

    def remove(self, reader: JournalReader) -> None:
        """Before it is closed: nobody is woken for it, and it keeps nothing from being pruned."""
        self.core.remove(reader.core)

    def fileno(self) -> int:
        """Readable when a writer rang."""
        return self.core.fd

    def wait(self, timeout: float | None = None, *, spin: float = 0.0) -> bool:
        """True when a reader has a frame, False after `timeout` seconds or a `nudge`.

        spin: seconds to look before going to sleep. The interpreter lock is free meanwhile, and
        signal handlers run within a tenth of a second.
        """
        return self.core.wait(-1.0 if timeout is None else timeout, spin)

    def nudge(self) -> None:
        """From any thread: a `wait` that is under way, or else the next one, returns at once."""
        self.core.nudge()

    def follow(
        self,
        callback: Callable[[int, int, int, int, int, int, bytes], object],
        timeout: float | None = None,
        *,
        spin: float = 0.0,
    ) -> int:
        """callback(reader index, type, flags, sequence, time, stream, payload) for each frame,
        until it returns something true or nothing came for `timeout`. Gives how many there were."""
        return self.core.follow(callback, -1.0 if timeout is None else timeout, spin)


class JournalWatch:
    """Calls `handle` in an asyncio loop when a journal has frames: again, while it leaves some."""

    def __init__(self, waiter: Waiter, handle: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
        self._waiter, self._handle, self._loop = waiter, handle, loop
        self._timer: asyncio.TimerHandle | None = None
        loop.add_reader(waiter.fileno(), self._rung)
        loop.call_soon(self._work)

    def _rung(self) -> None:
        self._waiter.core.drain()
        self._work()

    def look(self) -> None:
        """Now, and from now on also for what was added to the waiter since."""
        self._work()

    def _work(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._handle()
        there, certain = self._waiter.core.arm()
        if there:
            self._loop.call_soon(self._work)  # lets sockets have their turn
        elif not certain:
            self._timer = self._loop.call_later(_core.BLIND_MS / 1000, self._work)

    def close(self) -> None:
        self._loop.remove_reader(self._waiter.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._waiter.core.drain()

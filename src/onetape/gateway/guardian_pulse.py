"""Detects a dead guardian by its journal: its process holds the lock while it runs, and a thread of its own, which no
load of the interpreter stops, writes the heartbeat."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from onetape.model.errors import OnetapeError
from onetape.model.home import guardian_journal
from onetape.model.time import SECOND
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["GuardianPulse"]

# Written each 100 ms; it was at most 140 ms old with 18 busy processes on two cores (2026-11).
SILENT_AFTER: Final = SECOND * 4 // 5


class GuardianPulse:
    def __init__(self, home: Path) -> None:
        self._path = guardian_journal(home)
        self._reader: JournalReader | None = None

    def lost(self) -> str:
        """Returns why the guardian cannot be watching, "": it may be. Call while it holds a lease."""
        if self._is_free():
            return "its process has ended"
        heartbeat = self._heartbeat()
        silent = time.time_ns() - heartbeat if heartbeat else 0
        return f"no heartbeat for {silent / SECOND:.1f} s" if silent > SILENT_AFTER else ""

    def _is_free(self) -> bool:
        """Tells whether no process holds the journal's lock; False without a journal."""
        try:
            fd = os.open(self._path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def _heartbeat(self) -> int:
        if self._reader is not None and self._reader.is_gone:
            self.close()
        if self._reader is None and is_tape(self._path):
            with suppress(OnetapeError):  # it is being created
                self._reader = JournalReader(self._path)
        return int(self._reader.control.get("heartbeat", 0)) if self._reader is not None else 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

"""A few numbers shared by processes: a small mapped file, changed under a lock of the file.

    0         8              16       24        32       40       128
    | magic   | banned_until | window | used    | window | ...    | phase | 0      counters; int64, little-endian
    | magic   | holder       | until  | holder  | until  | ...                     leases
    | magic   | at           |                                                     a moment

The lock is the kernel's and ends with its holder, so a killed process blocks nobody; at most one count is lost, and
the venue's own count corrects that. Times are of the monotonic clock, which restarts with the machine, and so do the
counters.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onetape.model.errors import BadInput
from onetape.orders.budget import Recount
from onetape.security.private import private_folder

__all__ = ["SharedCounters", "SharedLeases", "SharedMoment"]

SLOTS: Final = 7
PHASE: Final = 16 + 16 * SLOTS
HOLDERS: Final = 64  # leases at a time; further ones are refused
_WORD: Final = struct.Struct("<q")
BAN_MOST: Final = 7 * 86400 * 10**9  # Binance's longest is of three days (as of 2026-11)


class _SharedWords:
    """A mapped file at `path`, created if absent. Raises BadInput for a foreign file."""

    def __init__(self, path: Path, magic: bytes, words: int) -> None:
        private_folder(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        size, number = 8 * (words + 1), int.from_bytes(magic, "little")
        try:
            with self._locked():
                if os.fstat(self._file).st_size == 0:
                    os.pwrite(self._file, _WORD.pack(number) + bytes(size - 8), 0)
                if os.fstat(self._file).st_size != size:
                    raise BadInput("not a file of counters", location=str(path), todo="remove it")
                self._map = mmap.mmap(self._file, size)
                if self._get(0) != number:
                    raise BadInput("not a file of counters", location=str(path), todo="remove it")
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        self._map.close()
        os.close(self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _get(self, at: int) -> int:
        value: int = _WORD.unpack_from(self._map, at)[0]
        return value

    def _set(self, at: int, value: int) -> None:
        _WORD.pack_into(self._map, at, value)


class SharedCounters(_SharedWords):
    """Implements `orders.budget.Counts`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, b"otcount1", 3 + 2 * SLOTS)

    def begin(self, now: int) -> None:
        """Resets everything if a time is ahead of the monotonic clock: the machine was restarted since. Call it once
        before use."""
        with self._locked():
            counted = [self._get(16 + 16 * slot) for slot in range(SLOTS)]
            if max(counted) > now or self._get(8) > now + BAN_MOST:
                self._map[8:] = bytes(len(self._map) - 8)

    def phase(self) -> int:
        """Returns the phase without the lock, like `banned_until`: one aligned word."""
        return self._get(PHASE)

    def restate(self, before: int, phase: int, counts: Sequence[Recount]) -> None:
        with self._locked():
            if self._get(PHASE) != before:
                return  # another process was first
            self._set(PHASE, phase)
            for slot, begun, begins in counts:
                at = 16 + 16 * slot
                if self._get(at) < begun:
                    self._set(at + 8, 0)
                self._set(at, begins)

    def banned_until(self) -> int:
        return self._get(8)

    def ban(self, until: int) -> None:
        with self._locked():
            self._set(8, max(self._get(8), until))

    def spend(self, slot: int, window: int, weight: int, most: int) -> int:
        """Adds `weight` to a window's count unless it would exceed `most`; returns the count before. A later window
        begins at 0."""
        at = 16 + 16 * slot
        with self._locked():
            if self._get(at) < window:
                self._set(at, window)
                self._set(at + 8, 0)
            used = self._get(at + 8)
            if used + weight <= most:
                self._set(at + 8, used + weight)
            return used

    def correct(self, slot: int, window: int, used: int) -> None:
        """Raises the count of a window to at least `used`; an older window is ignored."""
        at = 16 + 16 * slot
        if self._get(at) == window and self._get(at + 8) >= used:
            return  # the usual case, without the lock
        with self._locked():
            if self._get(at) < window:
                self._set(at, window)
                self._set(at + 8, used)
            elif self._get(at) == window:
                self._set(at + 8, max(self._get(at + 8), used))


class SharedLeases(_SharedWords):
    """Leases of holders, each a number above 0."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, b"otlease1", 2 * HOLDERS)

    @contextmanager
    def changing(self) -> Iterator[list[tuple[int, int]]]:
        """Yields the leases, (holder, until), under the lock; changes of the list are stored at the end. Raises
        BadInput if they are too many."""
        with self._locked():
            pairs = [(self._get(8 + 16 * n), self._get(16 + 16 * n)) for n in range(HOLDERS)]
            leases = [each for each in pairs if each[0]]
            yield leases
            if len(leases) > HOLDERS:
                raise BadInput(f"more than {HOLDERS} pollers of one address")
            for n, (holder, until) in enumerate([*leases, *[(0, 0)] * (HOLDERS - len(leases))]):
                self._set(8 + 16 * n, holder)
                self._set(16 + 16 * n, until)


@dataclass(slots=True)
class Moment:
    at: int


class SharedMoment(_SharedWords):
    """A shared time, ns."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, b"otmoment", 1)

    @contextmanager
    def changing(self) -> Iterator[Moment]:
        """Yields the time under the lock; a change is stored at the end."""
        with self._locked():
            moment = Moment(self._get(8))
            yield moment
            self._set(8, moment.at)

"""How soon the kernel runs a woken process while others compute on the same cores.

Of the runnable processes Linux picks the one whose slice ends first, and since 6.12 a process may request a slice of
its own (`sched_setattr(2)`, `Documentation/scheduler/sched-design-EEVDF`). A process that works for microseconds and
then waits requests the shortest: when news comes it preempts computing processes at once, instead of after their
milliseconds. It gets no larger share of a core by it, and needs no rights.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from typing import Final

__all__ = ["SLICE_NS", "slice_of", "take_short_slices"]

SLICE_NS: Final = 100_000  # the kernel's minimum
_ATTR: Final = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period
_OTHER, _RESET_ON_FORK = 0, 1  # linux/sched.h
_NUMBERS: Final = {"x86_64": (314, 315), "aarch64": (274, 275)}  # of sched_setattr and sched_getattr


def take_short_slices() -> bool:
    """Requests the shortest slices for this thread, not for its children. False: the system has no such thing, or this
    process has another policy, which stays."""
    attr = _attr(0)
    if attr is None:
        return False
    _, policy, flags, nice, *_ = attr
    if policy != _OTHER:
        return False
    wanted = _ATTR.pack(_ATTR.size, policy, flags | _RESET_ON_FORK, nice, 0, SLICE_NS, 0, 0)
    return _call(0, 0, ctypes.create_string_buffer(wanted, _ATTR.size), 0) and slice_of(0) == SLICE_NS


def slice_of(pid: int) -> int:
    """Returns the slice of a thread in ns, 0: not reported. pid: 0 for the caller's."""
    attr = _attr(pid)
    return 0 if attr is None else attr[5]


def _attr(pid: int) -> tuple[int, ...] | None:
    buffer = ctypes.create_string_buffer(_ATTR.size)
    return _ATTR.unpack(buffer.raw) if _call(1, pid, buffer, _ATTR.size, 0) else None


def _call(which: int, pid: int, *more: object) -> bool:
    numbers = _NUMBERS.get(platform.machine())
    if sys.platform != "linux" or numbers is None:
        return False
    return bool(ctypes.CDLL(None, use_errno=True).syscall(numbers[which], pid, *more) == 0)

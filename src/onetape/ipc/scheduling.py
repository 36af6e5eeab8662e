"""How soon the kernel runs a process that is woken, where others compute on the same cores.

Linux picks, of those that may run, the one whose slice ends first, and since 6.12 a process may ask for a slice of its
own (`sched_setattr(2)`, `Documentation/scheduler/sched-design-EEVDF`). Who works for microseconds and then waits asks
for the shortest: when news comes it runs at once in place of who computes, instead of after the milliseconds of theirs.
No process gets more of a core by it, and it needs no rights.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from typing import Final

__all__ = ["SLICE_NS", "slice_of", "take_short_slices"]

SLICE_NS: Final = 100_000  # the kernel's least
_ATTR: Final = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period
_OTHER, _RESET_ON_FORK = 0, 1  # linux/sched.h
_NUMBERS: Final = {"x86_64": (314, 315), "aarch64": (274, 275)}  # of sched_setattr and sched_getattr


def take_short_slices() -> bool:
    """Asks for the shortest slices for this thread, not for its children. False: the system has no such thing, or
    somebody has given this process another policy, which stays."""
    attr = _attr(0)
    if attr is None:
        return False
    _, policy, flags, nice, *_ = attr
    if policy != _OTHER:
        return False
    wanted = _ATTR.pack(_ATTR.size, policy, flags | _RESET_ON_FORK, nice, 0, SLICE_NS, 0, 0)
    return _call(0, 0, ctypes.create_string_buffer(wanted, _ATTR.size), 0) and slice_of(0) == SLICE_NS


def slice_of(pid: int) -> int:
    """Returns the slice of a thread in ns, 0: the system does not say. pid: 0 for the caller's."""
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

"""Confinement of a process before it reads secrets."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

__all__ = ["confine"]

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def confine() -> None:
    """Restricts files to the owner, forbids core dumps, and on Linux hides the process's memory from other processes of
    the same user. Children inherit the first two."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

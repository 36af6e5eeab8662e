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
    """Restrict new files to the owner, forbid core dumps, and on Linux hide the process's memory from other processes
    of the same user. Child processes inherit the first two."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

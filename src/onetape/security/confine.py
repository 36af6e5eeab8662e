"""What a process that holds secrets gives up before it reads them."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

__all__ = ["confine"]

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def confine() -> None:
    """Files are the owner's alone, no image of this process is ever written, and on Linux no other
    process of the same user looks into it. The first two are inherited by its children."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

"""A piece of work in a copy of the tests' process, which may kill it at any step."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable

__all__ = ["in_a_copy"]


def in_a_copy(work: Callable[[], object]) -> int:
    """The status of waitpid: 0, a signal, or 256 for work that raised."""
    child = os.fork()
    if not child:
        gc.freeze()  # else a collection copies the page of each object
        try:
            work()
            os._exit(0)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]

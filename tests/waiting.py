"""Tests wait for what is to happen, not for a time in which it should have: how long it takes is
the machine's matter, and a test that waits to the end waits for what does not come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["PATIENCE_S", "wait_for", "wait_in_loop"]

PATIENCE_S: Final = 180.0
LOOK_S: Final = 0.02


def wait_for(what: Callable[[], Any], said: Callable[[], object] = lambda: "it did not come") -> Any:
    """Until `what` gives something true; gives that. said: what a test that fails shows."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, said()
        time.sleep(LOOK_S)
    return found


async def wait_in_loop(what: Callable[[], Any]) -> Any:
    """The same, while other tasks of the loop run."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := what()):
            await asyncio.sleep(LOOK_S / 2)
    return found

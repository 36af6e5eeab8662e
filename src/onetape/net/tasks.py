"""The end of tasks that were working."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final

__all__ = ["ended", "first_ended", "watched"]

RETRY_S: Final = 1.0


def watched(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Starts work beside its owner's, which nobody waits for: what it raises is raised in a callback, of which the
    loop's handler hears."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_raise)
    return task


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()


async def ended(tasks: Collection[asyncio.Future[Any]]) -> list[Any]:
    """Returns what became of each, in their order: a result or an exception. All of them are cancelled, repeatedly
    while one goes on: Python 3.11's `wait_for` swallows a cancellation that comes in the turn of its answer
    (bpo-37658), and with it whoever waits in a loop."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        left = (await asyncio.wait(left, timeout=RETRY_S))[1]
    return await asyncio.gather(*tasks, return_exceptions=True)


async def first_ended(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Waits until one of them ends, and ends the others. Raises what the first one has raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(tasks)
    for task in done:
        task.result()

"""Supervises and ends asyncio tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final

__all__ = ["ended", "first_ended", "watched"]

RETRY_S: Final = 1.0


def watched(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Starts a background task; its exception is raised in a callback, which the loop's exception handler receives."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_raise)
    return task


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()


async def ended(tasks: Collection[asyncio.Future[Any]]) -> list[Any]:
    """Cancels all tasks and returns their results or exceptions, in order. The cancel is repeated while a task goes on,
    because Python 3.11's `wait_for` swallows a cancellation in the turn of its answer (bpo-37658), and a loop around it
    would wait forever."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        left = (await asyncio.wait(left, timeout=RETRY_S))[1]
    return await asyncio.gather(*tasks, return_exceptions=True)


async def first_ended(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Waits until one task ends, and ends the others. Raises the exception of the first."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(tasks)
    for task in done:
        task.result()

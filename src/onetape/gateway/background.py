"""The concurrent tasks of a gateway, and its end when one of them fails."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from onetape.model.errors import InvariantViolation, OnetapeError
from onetape.net.tasks import ended

__all__ = ["GatewayTasks"]


class GatewayTasks:
    """Runs the tasks of a gateway until one fails.

    stopping: set when one has failed.
    hide: removes secrets from a text.
    """

    def __init__(self, stopping: asyncio.Event, hide: Callable[[str], str]) -> None:
        self.failure: OnetapeError | None = None  # the first one; it ends the process
        self._stopping = stopping
        self._hide = hide
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def keep(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Runs a task that lasts as long as the gateway; its end is a failure."""

        async def kept() -> None:
            await work
            if not self._stopping.is_set():
                raise InvariantViolation(f"the gateway's {name} ended")

        self.spawn(kept())

    def fail(self, error: BaseException) -> None:
        """Ends the process after a fault of ours, or of a disk, with its exit status. The next process begins with its
        journal."""
        if self.failure is None:
            self.failure = error if isinstance(error, OnetapeError) else self._fault(error)
        self._stopping.set()

    def callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handles an exception of a callback outside of any task, which only the loop sees. One of a connection, which
        has no handle, ends that connection."""
        error = context.get("exception")
        if isinstance(error, Exception) and "handle" in context:
            self.fail(error)
        else:
            loop.default_exception_handler(context)

    async def end(self) -> None:
        await ended(list(self._tasks))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)

    def _fault(self, error: BaseException) -> InvariantViolation:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        location = ", ".join(f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in last)
        return InvariantViolation(self._hide(f"{type(error).__name__}: {error}"), location=location)

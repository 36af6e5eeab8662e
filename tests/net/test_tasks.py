"""The end of tasks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from onetape.net import tasks
from onetape.net.tasks import ended
from waiting import PATIENCE_S


def test_a_task_that_swallows_a_cancellation_ends_all_the_same(monkeypatch):
    monkeypatch.setattr(tasks, "RETRY_S", 0.01)

    async def deaf(times: int) -> str:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        await asyncio.sleep(3600)
        return "not reached"

    async def broken() -> None:
        raise ValueError("of a task")

    async def work() -> list:
        working = [asyncio.ensure_future(each) for each in (deaf(0), deaf(2), broken(), failing())]
        await asyncio.sleep(0)
        return await ended(working)

    async def failing() -> int:
        return 7

    first, second, third, fourth = asyncio.run(asyncio.wait_for(work(), PATIENCE_S))
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(second, asyncio.CancelledError)
    assert isinstance(third, ValueError)
    assert fourth == 7


def test_no_tasks_have_no_end():
    assert asyncio.run(ended([])) == []

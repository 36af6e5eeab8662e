"""Turns exceptions of calls into ccxt, which may raise anything, into values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

__all__ = ["outcome"]


async def outcome(work: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """Returns (value, None) or (None, error). Canceling the caller cancels the work."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.cancelled():
        return None, asyncio.CancelledError()
    error = task.exception()
    return (None, error) if error is not None else (task.result(), None)

"""Start and end of a home's processes: options as JSON on standard input, lines on standard output of which the first
is `ready...`, and the exit code of the error that ended it."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from onetape.model.errors import OnetapeError
from onetape.model.typed import from_json

__all__ = ["raise_file_limit", "run_process", "say", "serve", "stop_on_signals"]

FILES_WANTED: Final = 65_536


class Stopping(Protocol):
    @property
    def stopping(self) -> asyncio.Event: ...


class Listening(Protocol):
    @property
    def address(self) -> str: ...


class Served(Stopping, Protocol):
    @property
    def server(self) -> Listening: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def run_process(kind: Any, work: Callable[[Any], int | None]) -> int:
    """Calls `work` with the options, of type `kind`; returns the exit code, 0 if `work` returns none. Files made by the
    process are readable by its owner only."""
    os.umask(0o077)
    text = sys.stdin.buffer.read()
    if not text:  # the parent died before it sent the options
        return 0
    try:
        return work(from_json(text, kind)) or 0
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def raise_file_limit() -> None:
    """Lets this process and its children open as many files as the system's hard limit permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def say(words: str) -> None:
    """Writes a line for the parent process."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def stop_on_signals(process: Stopping) -> None:
    """Sets `stopping` on SIGINT and SIGTERM; to be called in the running loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, process.stopping.set)


async def serve(process: Served) -> None:
    """Runs a process until a signal ends it. It prints `ready` and its address once it listens."""
    stop_on_signals(process)
    try:
        await process.start()
        gc.freeze()
        say(f"ready {process.server.address}")
        await process.stopping.wait()
    finally:
        await process.close()

"""The guardian's process under the supervisor: `python -m onetape.guardian.main`, with its options as JSON on standard
input, so that no secret is part of an argument list. It prints `ready` when its journal is open, also if a gateway is
missing. With a standby, the second process prints it, too, and waits: the lock of the journal, which ends with its
process, decides which of them acts."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Final

import uvloop

from onetape.guardian.guardian import Guardian
from onetape.ipc.scheduling import take_short_slices
from onetape.model.errors import JournalLocked, OnetapeError
from onetape.model.typed import from_json
from onetape.options.guardian import GuardianOptions
from onetape.security.confine import confine

LOOK_S: Final = 0.05  # interval of checks whether the other one has ended


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _say_nothing() -> None:
    """Does nothing: `ready` was printed already."""


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # the parent died before it sent the input
        return 0
    options = from_json(text, GuardianOptions)
    confine()
    take_short_slices()

    async def work() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        ready = _say_ready
        guardian = None
        while guardian is None and not stopping.is_set():
            try:
                guardian = Guardian(options, stopping)
            except JournalLocked:
                if not options.waits:
                    raise
                ready()
                ready = _say_nothing
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), LOOK_S)
        if guardian is not None:
            await guardian.run(ready)

    try:
        uvloop.run(work())
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

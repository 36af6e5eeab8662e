"""The hub's process under the supervisor: `python -m onetape.hub.main`, its options as JSON on
standard input. It says `ready` when its journal is open and what an earlier life left is read: a
collector that is away is waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msgspec
import uvloop

from onetape.hub.hub import Hub
from onetape.hub.options import HubOptions
from onetape.model.errors import OnetapeError


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # who started us died before it had said what for
        return 0
    options = msgspec.json.decode(text, type=HubOptions)
    os.umask(0o077)

    async def work() -> None:
        hub = Hub(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, hub.stopping.set)
        await hub.run(_say_ready)

    try:
        uvloop.run(work())
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

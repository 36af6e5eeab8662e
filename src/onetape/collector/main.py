"""A collector's process under the supervisor: `python -m onetape.collector.main`, its
options as JSON on standard input. It says `ready` when its journal is open: a feed that is away is
told on it, and waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msgspec
import uvloop

from onetape.collector.collector import Collector
from onetape.collector.options import CollectorOptions, VenueFeedOptions
from onetape.collector.venue_collector import VenueCollector
from onetape.model.errors import OnetapeError


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # who started us died before it had said what for
        return 0
    options = msgspec.json.decode(text, type=CollectorOptions | VenueFeedOptions)
    os.umask(0o077)

    async def work() -> None:
        collector = Collector(options) if isinstance(options, CollectorOptions) else VenueCollector(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, collector.stopping.set)
        await collector.run(_say_ready)

    try:
        uvloop.run(work())
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

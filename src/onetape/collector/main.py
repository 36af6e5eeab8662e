"""A collector's process under the supervisor: `python -m onetape.collector.main`, with its options as JSON on standard
input. It prints `ready` when its journal is open: a missing feed is reported there, and waited for."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from onetape.collector.collector import Collector
from onetape.collector.venue_feed import VenueFeed
from onetape.collector.venue_tape import VenueTape
from onetape.ipc.door import Door, Handler
from onetape.ipc.names import process_socket
from onetape.ipc.process import run_process, say, stop_on_signals
from onetape.ipc.scheduling import take_short_slices
from onetape.ipc.server import Stream, listen
from onetape.net.tasks import ended
from onetape.options.collector import CollectorOptions, VenueFeedOptions, collector_journal

SHOWN_EVERY_S: Final = 1.0


class VenueCollector:
    """Collects one venue over one transport. `run` returns when `stopping` is set."""

    def __init__(self, options: VenueFeedOptions) -> None:
        self.options = options
        self.stopping = asyncio.Event()
        name = f"collector:{options.name}"
        self._tape = VenueTape(collector_journal(Path(options.home), options.name), name)
        self._feed = VenueFeed(options, self._tape)
        self.door = Door(
            (name, "collector"),
            Path(options.home),
            {"status": Handler(lambda _: self._feed.status, asks=True, anyone=True)},
            self._tape,
            level="disk",
            now=time.time_ns,
        )
        self._stream = Stream()

    async def run(self, ready: Callable[[], None]) -> None:
        """Runs until stopped. Raises the journal's errors."""
        path = process_socket(Path(self.options.home), self.door.names[0])
        try:
            serving = listen(path, self.door.handle, self.door.settle, self._stream, is_operator=self.door.is_operator)
            working = [asyncio.ensure_future(each) for each in (await serving, self._feed.run(), self._show())]
            ready()
            stopped = asyncio.ensure_future(self.stopping.wait())
            await asyncio.wait([stopped, *working], return_when=asyncio.FIRST_COMPLETED)
            found = await ended([stopped, *working])
            path.unlink(missing_ok=True)
            for error in found:
                if isinstance(error, Exception):
                    raise error
        finally:
            self._tape.close()

    async def _show(self) -> None:
        while True:
            self._stream.show(self._feed.status())
            await asyncio.sleep(SHOWN_EVERY_S)


def main() -> int:
    return run_process(CollectorOptions | VenueFeedOptions, lambda options: uvloop.run(_collect(options)))


async def _collect(options: CollectorOptions | VenueFeedOptions) -> None:
    take_short_slices()
    collector = Collector(options) if isinstance(options, CollectorOptions) else VenueCollector(options)
    stop_on_signals(collector)
    await collector.run(partial(say, "ready"))


if __name__ == "__main__":
    sys.exit(main())

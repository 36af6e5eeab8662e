"""A collector's process under the supervisor: `python -m onetape.collector.main`, its
options as JSON on standard input. It says `ready` when its journal is open: a feed that is away is
told on it, and waited for."""

from __future__ import annotations

import sys
from functools import partial

import uvloop

from onetape.collector.collector import Collector
from onetape.collector.options import CollectorOptions, VenueFeedOptions
from onetape.collector.venue_collector import VenueCollector
from onetape.ipc.process import run_process, say, stop_on_signals


def main() -> int:
    return run_process(CollectorOptions | VenueFeedOptions, lambda options: uvloop.run(_collect(options)))


async def _collect(options: CollectorOptions | VenueFeedOptions) -> None:
    collector = Collector(options) if isinstance(options, CollectorOptions) else VenueCollector(options)
    stop_on_signals(collector)
    await collector.run(partial(say, "ready"))


if __name__ == "__main__":
    sys.exit(main())

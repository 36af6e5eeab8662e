"""The hub's process under the supervisor: `python -m onetape.hub.main`, with its options as JSON on standard input. It
prints `ready` when its journal is open and the earlier incarnation's is read: a missing collector is waited for."""

from __future__ import annotations

import sys
from functools import partial

import uvloop

from onetape.hub.hub import Hub
from onetape.ipc.process import run_process, say, stop_on_signals
from onetape.ipc.scheduling import take_short_slices
from onetape.options.hub import HubOptions


def main() -> int:
    return run_process(HubOptions, lambda options: uvloop.run(_merge(options)))


async def _merge(options: HubOptions) -> None:
    take_short_slices()
    hub = Hub(options)
    stop_on_signals(hub)
    await hub.run(partial(say, "ready"))


if __name__ == "__main__":
    sys.exit(main())

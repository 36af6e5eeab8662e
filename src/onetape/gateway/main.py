"""A gateway's process: `python -m onetape.gateway.main`, with its options as JSON on standard input, so that no secret
is ever part of an argument list. It prints `ready` when the account is reconciled."""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import sys

import uvloop

from onetape.gateway.bridge_process import bridged
from onetape.gateway.gateway import Gateway
from onetape.ipc.process import run_process, say, stop_on_signals
from onetape.ipc.scheduling import take_short_slices
from onetape.options.gateway import GatewayOptions
from onetape.security.confine import confine


def main() -> int:
    return run_process(GatewayOptions, _run)


def _run(options: GatewayOptions) -> None:
    confine()
    take_short_slices()
    uvloop.run(_trade(options))


async def _trade(options: GatewayOptions) -> None:
    async with bridged(options) as reached:
        gateway = Gateway(reached)
        # Under a supervisor a file, whose last line is shown; a pipe is read up to the first line.
        if stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
            gateway.tell = say
        stop_on_signals(gateway)
        asyncio.get_running_loop().set_exception_handler(gateway.tasks.callback_failed)
        await gateway.run(_say_ready)


def _say_ready() -> None:
    gc.freeze()  # these objects stay: collections need not scan them repeatedly
    say("ready")


if __name__ == "__main__":
    sys.exit(main())

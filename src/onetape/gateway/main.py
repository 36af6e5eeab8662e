"""A gateway's process: `python -m onetape.gateway.main`, its options as JSON on standard
input, so that no secret is ever part of an argument list. It says `ready` when the account is
reconciled."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import stat
import sys

import msgspec
import uvloop

from onetape.gateway.bridge_process import bridged
from onetape.gateway.gateway import Gateway
from onetape.gateway.options import GatewayOptions
from onetape.model.errors import OnetapeError
from onetape.security.confine import confine


def _say_ready() -> None:
    gc.freeze()  # what is there now stays: it need not be looked through again and again
    _say("ready")


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # who started us died before it had said what for
        return 0
    options = msgspec.json.decode(text, type=GatewayOptions)
    confine()

    # Under a supervisor a file, whose last line is shown; a pipe is read up to the first.
    is_shown = stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)

    async def work() -> None:
        async with bridged(options) as reached:
            gateway = Gateway(reached)
            if is_shown:
                gateway.tell = _say
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, gateway.stopping.set)
            loop.set_exception_handler(gateway.tasks.callback_failed)
            await gateway.run(_say_ready)

    try:
        uvloop.run(work())
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

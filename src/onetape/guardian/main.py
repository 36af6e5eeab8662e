"""The guardian's process under the supervisor: `python -m onetape.guardian.main`, its options as
JSON on standard input, so that no secret is part of an argument list. It says `ready` when its
journal is open: a gateway that is away is waited for."""

from __future__ import annotations

import asyncio
import signal
import sys

import msgspec
import uvloop

from onetape.guardian.guardian import Guardian
from onetape.guardian.options import GuardianOptions
from onetape.model.errors import OnetapeError
from onetape.security.confine import confine


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # who started us died before it had said what for
        return 0
    options = msgspec.json.decode(text, type=GuardianOptions)
    confine()

    async def work() -> None:
        guardian = Guardian(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, guardian.stopping.set)
        await guardian.run(_say_ready)

    try:
        uvloop.run(work())
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

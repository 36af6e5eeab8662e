"""The process of a robot's variants: `python -m onetape.robot.variants_main`, its options as
JSON on standard input. It says `ready` when all of them have begun."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.errors import OnetapeError
from onetape.robot.options import VariantsOptions
from onetape.robot.variants import Variants
from onetape.tape.wait import Waiter

WAIT_S: Final = 0.1


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # who started us died before it had written us down
        return 0
    options = msgspec.json.decode(text, type=VariantsOptions)
    os.umask(0o077)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _frame: stopping.append(n))
    out, sys.stdout = sys.stdout, sys.stderr  # what a strategy prints is not what we say
    try:
        while not stopping:
            _run(options, stopping, out)
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _run(options: VariantsOptions, stopping: list[int], out: Any) -> None:
    """Beside one run of the robot."""
    variants = Variants(Path(options.home), options.robot, options.variants)
    waiter = Waiter()
    waiter.add(variants.tape)
    out.write("ready\n")
    out.flush()
    try:
        while not stopping and variants.is_of_this_run:
            if not variants.turn():
                waiter.wait(WAIT_S)
    finally:
        variants.close()


if __name__ == "__main__":
    sys.exit(main())

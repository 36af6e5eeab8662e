"""Run the process of a robot's variants: `python -m onetape.robot.variants_main`, its options as JSON on standard
input. It prints `ready` when all of them have begun."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any, Final

from onetape.ipc.process import run_process
from onetape.robot.options import VariantsOptions
from onetape.robot.variants import Variants
from onetape.tape.wait import Waiter

WAIT_S: Final = 0.1


def main() -> int:
    return run_process(VariantsOptions, _run)


def _run(options: VariantsOptions) -> None:
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _frame: stopping.append(n))
    out, sys.stdout = sys.stdout, sys.stderr  # a strategy's print must not mix with our output
    while not stopping:
        _follow(options, stopping, out)


def _follow(options: VariantsOptions, stopping: list[int], out: Any) -> None:
    """Follow one run of the robot."""
    variants = Variants(Path(options.home), options.robot, options.variants)
    waiter = Waiter()
    for each in variants.tapes:
        waiter.add(each)
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

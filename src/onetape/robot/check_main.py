"""Checks robots before they start: `python -m onetape.robot.check_main`, on standard input RobotChecks as JSON.

Each strategy is imported in a process of its own, so that its import affects nothing else. Standard output
has a line for each robot: a Checked as JSON.
"""

from __future__ import annotations

import os
import signal
import sys

import msgspec

from onetape.engine.parameters import resolve
from onetape.model.errors import OnetapeError
from onetape.model.typed import from_json
from onetape.robot.live import LiveOptions, symbols_of
from onetape.robot.main import live_options
from onetape.robot.options import LOAD_WITHIN_S, Checked, RobotCheck
from onetape.runs.preparing import strategy_class


def _checked(request: RobotCheck) -> Checked:
    options = request.options
    live: LiveOptions = live_options(options)
    try:
        strategy = strategy_class(live)
        for params in (options.params, *request.variants):
            resolve(strategy, {**options.params, **params})
        return Checked(name=options.name, symbols=symbols_of(live))
    except OnetapeError as error:
        return Checked(name=options.name, code=error.code, what=error.what, location=error.location, todo=error.todo)


def main() -> int:
    robots = from_json(sys.stdin.buffer.read(), list[RobotCheck])
    output = os.dup(1)
    os.dup2(2, 1)  # a strategy's print must not mix with our output
    made = []
    for each in robots:
        if (pid := os.fork()) == 0:
            signal.alarm(LOAD_WITHIN_S)  # ends the process at once
            line = msgspec.json.encode(_checked(each)) + b"\n"
            os.write(output, line)
            os._exit(0)
        made.append(pid)
    for pid in made:
        os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

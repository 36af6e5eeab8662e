"""A robot's process under the supervisor: `python -m onetape.robot.main`, its options as JSON on standard input. It
prints `ready` and its journal's path when its strategy has begun.

Its gateway is a separate process that may be killed and restarted: the robot stays, and its requests wait on
its journal until the gateway takes them.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from onetape import _core
from onetape.clients.gateway import GatewayClient
from onetape.clients.shared_gateway import check_followed
from onetape.engine.parameters import coerced
from onetape.ipc.process import run_process
from onetape.ipc.scheduling import take_short_slices
from onetape.model.errors import BadConfig, StrategyError
from onetape.robot.control import RobotControl
from onetape.robot.control_tape import RobotTape
from onetape.robot.earlier_run import earlier_of
from onetape.robot.live import Asks, LiveOptions, drain, open_live, symbols_of, traded_on, working_text
from onetape.robot.options import WAITS, RobotOptions
from onetape.robot.robot_run import RobotRun
from onetape.robot.watched_gateways import WatchedGateways
from onetape.runs.preparing import strategy_class
from onetape.tape.wait import Waiter

WAIT_S: Final = 0.1  # longest interval between looks at other events
__all__ = ["begun", "halted_words", "live_options", "section_of"]

ROOM_BYTES: Final = 1 << 29  # reserved by threads and compiled code, and not used
HALTED: Final = 4  # exit code: the strategy failed and must not be restarted


def main() -> int:
    return run_process(RobotOptions, _trade)


def _trade(options: RobotOptions) -> int:
    take_short_slices()
    if options.memory_max:
        # The supervisor checks resident memory a few times a second. Faster growth fails in this process, without
        # taking others' memory.
        most = 2 * options.memory_max + ROOM_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _frame: stopping.append(n))
    out, sys.stdout = sys.stdout, sys.stderr  # a strategy's print must not mix with our output
    try:
        live = replace(live_options(options), doing=_Waits(out))
        if options.symbols_only:
            out.write("".join(f"{symbol}\n" for symbol in symbols_of(live)))
            return 0
        return _run(options, live, stopping, out)
    except StrategyError as error:
        sys.stderr.write(f"{error}\n")
        return HALTED  # a fault of the strategy itself would recur


class _Waits:
    """Reports once each thing that is awaited before it is ready."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._last = ""

    def __call__(self, words: str) -> None:
        if words != self._last and words.startswith(WAITS):
            self._last = words
            self._out.write(f"{words}\n")
            self._out.flush()


def live_options(options: RobotOptions) -> LiveOptions:
    """Returns the options as for `run --live`."""
    path, colon, class_name = options.strategy.partition(":")
    if path.endswith((".py", ".toml")):
        path = str(Path(options.folder) / path)
    return LiveOptions(
        data=(),
        strategy=f"{path}{colon}{class_name}",
        strategy_named=options.strategy,
        goes_on_since=options.since,
        restart=options.restart,
        params=options.params,
        home=Path(options.home),
        folder=Path(options.folder),
        account=options.account,
        venues=options.venues,
        subaccount=options.subaccount,
        robot=options.name,
        on_error=options.on_error,
        orders_per_second=options.orders_per_second,
        streams=options.streams,
        filter=options.filter,
        year=options.year,
        riskless=str(options.riskless),
        grants=options.grants,
    )


def _run(options: RobotOptions, live: LiveOptions, stopping: list[int], out: Any) -> int:
    tape = RobotTape(live.home, options.name, options.params)
    try:
        accounts = options.venues or (options.account,)
        gateways = {account: GatewayClient(live.home, account, options.name) for account in accounts}
        robot = begun(options, live, tape, gateways)
        return _traded(options, robot, tape, stopping, out)
    finally:
        tape.close()


def begun(options: RobotOptions, live: LiveOptions, tape: RobotTape, gateways: Mapping[str, Asks]) -> RobotRun:
    """Returns the robot as its earlier incarnations and its operator have left it. tape: of its commands; gateways:
    by account."""
    before = earlier_of(live, gateways)
    if before is not None and before.continues:  # independent of later changes to its file
        live = replace(live, strategy=before.source)
    live = replace(live, params=_params(options, live, tape), stopped=tape.settings.stopped)
    for account, client in gateways.items():
        check_followed(client, traded_on(live, account, symbols_of(live)))
    return open_live(live, gateways, before)


def _params(options: RobotOptions, live: LiveOptions, tape: RobotTape) -> dict[str, Any]:
    """Returns the configuration's parameters, overridden by the operator's changes; without those that a changed
    source of the strategy no longer accepts."""
    strategy = strategy_class(live)
    changed = tape.settings.params
    for name, value in list(changed.items()):
        try:
            coerced(strategy, {name: value})
        except BadConfig as error:
            sys.stderr.write(f"robot:{options.name}: a parameter change of the operator is dropped: {error}\n")
            del changed[name]
    return {**options.params, **changed}


def _traded(options: RobotOptions, robot: RobotRun, tape: RobotTape, stopping: list[int], out: Any) -> int:
    waiter = Waiter()
    for source in robot.session.sources:
        waiter.add(source.reader)
    try:
        control = RobotControl(
            options.name, Path(options.home), robot, tape, section=section_of(options), rang=waiter.nudge
        )
        try:
            out.write(f"ready {robot.folder / 'journal'}\n")
            out.flush()
            _follow(robot, waiter, control, stopping, out)
        finally:
            control.close()
        if working := drain([robot]):
            sys.stderr.write(f"robot:{options.name}: {working_text(working)}\n")
    except BaseException:
        robot.close(keep=True)
        raise
    failures = list(robot.session.host.failures)
    robot.close(keep=True)
    if failures and options.on_error != "continue":
        first = failures[0]
        error = StrategyError(first.error, location=first.place, todo="the robot was halted there")
        sys.stderr.write(f"{error}\n")
        return HALTED
    return 0


def section_of(options: RobotOptions) -> dict[str, Any]:
    """Returns [robots.NAME] of the configuration."""
    names = ("strategy", "subaccount", "on_error", "streams")
    accounts = {"accounts": list(options.venues)} if options.venues else {"account": options.account}
    return {**{name: getattr(options, name) for name in names}, **accounts}


def halted_words(robot: RobotRun) -> str:
    """Returns on one line why a robot halted by its strategy no longer trades."""
    return " ".join(f"halted: {robot.session.host.failures[0]}".split())


def _follow(robot: RobotRun, waiter: Waiter, control: RobotControl, stopping: list[int], out: Any) -> None:
    """Run the robot until a signal, its own stop, or the absence of its gateways."""
    writer = robot.session.writer
    assert writer is not None
    gateways = WatchedGateways(robot.session)
    is_halted = False
    while not stopping:
        outcome = robot.turn()
        if outcome == _core.RunOutcome.STOPPED:
            return
        if robot.session.loop.halted and not is_halted:
            is_halted = True  # `status` reports it from now on
            out.write(f"{halted_words(robot)}\n")
            out.flush()
        control.turn()
        writer.progress(robot.session.loop.source_position(0)[0])
        gateways.look()
        if outcome != _core.RunOutcome.LIMIT:  # otherwise more frames are waiting
            waiter.wait(WAIT_S)


if __name__ == "__main__":
    sys.exit(main())

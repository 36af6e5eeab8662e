"""Trade on paper: the loop follows a growing tape, or a finished one at n-fold speed.

The robot's time is the tape's: its decisions are the same on a growing and on a finished
tape. So a backtest of its tape repeats a paper run, to the last action.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onetape import _core
from onetape.engine.latency import RECORDED
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, BadInput, StrategyError
from onetape.model.time import TIME_MAX, format_time
from onetape.robot.robot_run import SAMPLE_NS, RobotRun, RobotRunOptions, Watch, follow, stop_request, watch_of
from onetape.runs.input_tapes import load_instruments
from onetape.runs.preparing import parse_plan, prepare_plan, strategy_class
from onetape.runs.recording import new_folders_removed, run_folder, run_uuid
from onetape.runs.run_summary import RunResult
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape, located

__all__ = ["PaperOptions", "open_robot", "run_paper"]

NAP_S = 0.02  # longest sleep on a paced tape: keeps Ctrl-C and progress prompt
YEAR_S = 365 * 86400.0


@dataclass(frozen=True, slots=True)
class PaperOptions(RobotRunOptions):
    """The options of `onetape run --paper`. data: one tape, or none for a generated market."""

    speed: float = 1.0  # of a finished tape: multiple of the speed at which it was recorded


def open_robot(options: PaperOptions, *, grows: bool = True) -> RobotRun:
    """Returns a started session on the one tape of `data`, recording under <home>/runs. grows: the tape is still
    being written. Raises BadConfig for options that are impossible then.
    """
    strategy = strategy_class(options)
    if grows:
        _refuse_what_needs_a_whole_tape(options)
    plan = prepare_plan(options, strategy)
    if grows and plan.latency.clock == RECORDED and plan.latency.feed is None:
        raise BadConfig(
            "the offset of the venue's clock can be measured on a finished tape alone, and this one grows",
            location="--latency feed=recorded",
            todo="give the age of events: feed=2ms",
        )
    plan = replace(plan, kind="paper", sample_every=SAMPLE_NS)
    folder = run_folder(options.out, options.home, strategy.__name__)
    facts = load_instruments(options.instruments)
    uuid = run_uuid(folder.name, plan)
    session = Session(RunSpec(plan, strategy, folder / "journal", uuid, facts, is_growing=grows))
    try:
        session.open()
        session.start()
    except BaseException:
        session.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return RobotRun(session, folder, options.report, instruments=options.instruments)


def _refuse_what_needs_a_whole_tape(options: PaperOptions) -> None:
    if options.detail_data:
        raise BadConfig(
            "a paper run cannot have finer data, because its tape still grows",
            location="--detail-data",
            todo="give --data, a finished tape",
        )


def play(robot: RobotRun, speed: float, watch: Watch | None = None, stopping: Sequence[int] = ()) -> None:
    """Run a robot on a finished tape, `speed` times as fast as it was recorded. watch, stopping: as in `follow`."""
    loop = robot.session.loop
    assert robot.session.started_at is not None
    first, began = robot.session.started_at, time.monotonic()
    try:
        while not stopping:
            ahead_ns = min((time.monotonic() - began) * speed * 1e9, TIME_MAX / 4)
            virtual = min(first + int(ahead_ns), TIME_MAX)
            outcome = robot.turn(virtual)
            if outcome in (_core.RunOutcome.ENDED, _core.RunOutcome.STOPPED) or robot.session.is_at_end:
                return
            if watch is not None and not watch([robot]):
                return
            if outcome == _core.RunOutcome.LIMIT:
                continue
            ahead = (loop.next_time() - virtual) / 1e9 / speed
            time.sleep(min(max(ahead, 0.0), NAP_S))
    except KeyboardInterrupt:
        return


def run_paper(options: PaperOptions) -> RunResult:
    """Run `onetape run --paper`. Without data, beside a generated market of its own."""
    made = (options.home / name for name in ("runs", "tapes", "journal"))
    with new_folders_removed(*made):
        return _on_own_market(options) if not options.data else _on_tape(options)


def _on_own_market(options: PaperOptions) -> RunResult:
    from onetape.robot.generated import generated_market

    if options.start is not None:
        raise BadConfig(
            "the generated market starts now, so it has no other start",
            location="--from",
            todo="give --data, or leave it out",
        )
    _refuse_what_needs_a_whole_tape(options)
    strategy = strategy_class(options)
    # Errors are reported before a market is created.
    parse_plan(options, strategy)
    load_instruments(options.instruments)
    watch, seconds = watch_of(options, options.deadline), options.seconds or YEAR_S
    symbol = options.symbol or _symbol_of(strategy, options.params)
    unused: Path | None = None
    try:
        with generated_market(options.home, [symbol], seed=options.seed, seconds=seconds) as tape:
            unused = tape.path
            robot = open_robot(replace(options, data=[tape.path], start=tape.ready_at))
            unused = None  # the run needs it from now on
            return _conclude(robot, lambda stopping: follow([robot], watch, stopping))
    except BaseException:
        if unused is not None:
            shutil.rmtree(unused, ignore_errors=True)
        raise


def _on_tape(options: PaperOptions) -> RunResult:
    watch = watch_of(options, options.deadline)
    if not 0 < options.speed < math.inf:
        raise BadConfig(f"a speed is above 0, not {options.speed}", location="--speed", todo="give a number above 0")
    if len(options.data) > 1:
        raise BadConfig(f"a paper run follows one tape, not {len(options.data)}", location="--data", todo="name one")
    tape = options.data[0]
    if isinstance(tape, (str, os.PathLike)):
        tape = located(Path(tape))
    if not isinstance(tape, Path) or not is_tape(tape):
        raise BadInput(f"{tape} is not a tape", location="--data", todo="import it first: onetape import")
    with JournalReader(tape) as reader:
        grows = bool(reader.core.writer_alive)
    robot = open_robot(options, grows=grows)
    if grows:
        return _conclude(robot, lambda stopping: follow([robot], watch, stopping))
    return _conclude(robot, lambda stopping: play(robot, options.speed, watch, stopping))


def _conclude(robot: RobotRun, run: Callable[[Sequence[int]], None]) -> RunResult:
    with stop_request([robot]) as stopping:
        try:
            run(stopping)
        except BaseException:
            robot.close(keep=True)
            raise
        failures = list(robot.session.host.failures)
        on_error = robot.session.plan.on_error
        result = robot.close(keep=True)
    assert result is not None
    if failures and on_error != "continue":
        first = failures[0]
        raise StrategyError(
            first.error,
            location=f"{first.place} at {format_time(first.time)}",
            todo=f"the robot was halted there; the run is kept in {result.run}",
        )
    return result


def _symbol_of(strategy: type[Strategy], params: Mapping[str, Any]) -> str:
    symbol = params.get("symbol", getattr(strategy, "symbol", None))
    if not isinstance(symbol, str):
        raise BadConfig("the strategy has no parameter `symbol`", location="--paper", todo="give --symbol or --data")
    return symbol

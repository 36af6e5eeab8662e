"""Paper trading: the loop beside a feed that is still being written, or a tape at n-fold speed.

The robot's time is the tape's: what it decides is the same whether the tape grows while it reads
or lies finished. So a paper run is repeated by a backtest of its tape, to the last action.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onetape import _core
from onetape.engine.accounts import SHARED, parse_accounts
from onetape.engine.loader import load_strategy
from onetape.engine.plan import RunPlan, TapeInput
from onetape.engine.session import Session
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, BadInput, StrategyError
from onetape.model.time import format_time
from onetape.services.outcome import RunResult
from onetape.services.recording import record_run, run_folder, run_uuid
from onetape.tape.journal import JournalReader
from onetape.tape.wait import Waiter

__all__ = ["PaperRobot", "follow", "open_robot", "run_paper"]

SAMPLE_NS = 200_000_000  # equity, often enough for a run of half a minute
NAP_S = 0.02  # the longest sleep of a paced tape: keeps Ctrl-C and progress prompt
WAIT_S = 0.25

Progress = Callable[[float, float | None], None]
Watch = Callable[[Sequence["PaperRobot"]], bool]


@dataclass(slots=True)
class PaperRobot:
    """One session that runs, and where it is recorded."""

    session: Session
    folder: Path
    busy_seconds: float = 0.0  # inside the loop

    def step(self, until: int | None = None) -> _core.RunOutcome:
        """What is there now, up to `until`."""
        began = time.perf_counter()
        outcome = self.session.step(until=until)
        self.busy_seconds += time.perf_counter() - began
        return outcome

    def close(self, *, keep: bool) -> RunResult | None:
        """Finishes and records; `keep` False leaves nothing."""
        try:
            if not keep:
                return None
            self.session.finish()
            return record_run(self.session, self.folder, self.busy_seconds)
        finally:
            self.session.close()
            if not keep:
                shutil.rmtree(self.folder, ignore_errors=True)


def open_robot(
    strategy: type[Strategy],
    tape: Path,
    *,
    home: Path,
    out: str | Path | None = None,
    symbol: str | None = None,
    params: Mapping[str, Any] | None = None,
    cash: str | None = None,
    seed: int = 1,
    start: int | None = None,
    reference: str = "",
) -> PaperRobot:
    """A started session on `tape`, recording under <home>/runs."""
    accounts = parse_accounts(cash) if cash else {}
    plan = RunPlan(
        strategy=reference or strategy.__name__,
        params=dict(params or {}),
        symbol=symbol,
        start=start,
        cash=accounts.pop(SHARED, {}),
        accounts=accounts,
        seed=seed,
        kind="paper",
        inputs=[TapeInput(str(tape.resolve()))],
        sample_every=SAMPLE_NS,
    )
    folder = run_folder(out, home, strategy.__name__)
    session = Session(
        plan,
        strategy,
        journal=folder / "journal",
        run_uuid=run_uuid(folder.name, plan),
        follow=True,
    )
    try:
        session.open()
        session.start()
    except BaseException:
        session.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return PaperRobot(session, folder)


def follow(robots: Sequence[PaperRobot], watch: Watch | None = None) -> None:
    """Runs them on a journal that grows, until its writer has closed it and all is read.

    watch: called a few times a second; False stops.
    """
    waiter = Waiter()
    for robot in robots:
        waiter.add(robot.session.sources[0].reader)
    try:
        while True:
            # Asked before reading: what a writer closes after this is read in the next round.
            alive = robots[0].session.sources[0].reader.core.writer_alive
            for robot in robots:
                if robot.step() == _core.RunOutcome.STOPPED:
                    return
            if watch is not None and not watch(robots):
                return
            if not alive:
                return
            waiter.wait(WAIT_S)
    except KeyboardInterrupt:
        return


def play(robot: PaperRobot, speed: float, watch: Watch | None = None) -> None:
    """Runs it on a finished tape, `speed` times as fast as it was recorded."""
    sim = robot.session.sim
    assert robot.session.started_at is not None
    first, began = robot.session.started_at, time.monotonic()
    try:
        while True:
            virtual = first + int((time.monotonic() - began) * speed * 1e9)
            outcome = robot.step(until=virtual)
            if outcome in (_core.RunOutcome.ENDED, _core.RunOutcome.STOPPED):
                return
            if watch is not None and not watch([robot]):
                return
            ahead = (sim.next_time() - virtual) / 1e9 / speed
            time.sleep(min(max(ahead, 0.0), NAP_S))
    except KeyboardInterrupt:
        return


def run_paper(
    strategy: str,
    *,
    data: Path | None,
    speed: float,
    symbol: str | None,
    params: Mapping[str, Any],
    cash: str | None,
    seed: int,
    seconds: float | None,
    out: str | None,
    home: Path,
    progress: Progress | None = None,
) -> RunResult:
    """`onetape run --paper`. Without data, beside a generated market of its own."""
    kind = load_strategy(strategy)
    deadline = None if seconds is None else time.monotonic() + seconds

    def watch(robots: Sequence[PaperRobot]) -> bool:
        if progress is not None:
            progress(robots[0].session.sim.counters()["events"], None)
        return deadline is None or time.monotonic() < deadline

    if data is None:
        from onetape.services.generated import generated_market

        wanted = symbol or _symbol_of(kind, params)
        with generated_market(home, [wanted], seed=seed, seconds=seconds or 365 * 86400) as tape:
            robot = open_robot(
                kind, tape.path, home=home, out=out, symbol=symbol, params=params, cash=cash,
                seed=seed, start=tape.ready_at, reference=strategy,
            )  # fmt: skip
            return _conclude(robot, lambda: follow([robot], watch))
    if not data.is_dir():
        raise BadInput(
            f"{data} is not a tape", where="--data", todo="import it first: onetape import"
        )
    robot = open_robot(
        kind, data, home=home, out=out, symbol=symbol, params=params, cash=cash, seed=seed,
        reference=strategy,
    )  # fmt: skip
    with JournalReader(data) as reader:
        growing = reader.core.writer_alive
    return _conclude(
        robot, (lambda: follow([robot], watch)) if growing else (lambda: play(robot, speed, watch))
    )


def _conclude(robot: PaperRobot, run: Callable[[], None]) -> RunResult:
    try:
        run()
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
            where=f"{first.where}, in {first.callback} at {format_time(first.time)}",
            todo=f"the robot was halted there; the run is kept in {result.run}",
        )
    return result


def _symbol_of(strategy: type[Strategy], params: Mapping[str, Any]) -> str:
    given = params.get("symbol", getattr(strategy, "symbol", None))
    if not isinstance(given, str):
        raise BadConfig(
            "the strategy has no parameter `symbol`",
            where="--paper",
            todo="give --symbol or --data",
        )
    return given

"""Runs a strategy over a tape as a backtest does and times the loop alone. Not a figure itself.

Processor time of the process, so that other work on the machine does not count; the wall
clock of a quiet machine says the same. The best of several passes: what disturbs only adds.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from onetape import Strategy
from onetape.engine.latency import Latency
from onetape.engine.plan import RunPlan, TapeInput
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session


class Timed(NamedTuple):
    seconds: float
    counters: dict[str, int]
    action_hash: str
    state_hash: str
    gain: Decimal  # of equity, since the start


def run_once(
    strategy: type[Strategy], tape: Path, *, journal: bool = True, clock: str = "process", **options: Any
) -> Timed:
    """clock: `process` adds up all threads, `wall` is what a user waits for."""
    read = time.process_time if clock == "process" else time.perf_counter
    folder = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    options.setdefault("latency", Latency(0, 0))
    options.setdefault("sample_every", 60 * 10**9)
    plan = RunPlan(
        strategy=strategy.__name__, inputs=[TapeInput(path=str(tape))], cash={"USDT": Decimal(10_000_000)}, **options
    )
    session = Session(RunSpec(plan, strategy, folder / "journal" if journal else None))
    try:
        session.open()
        session.start()
        began = read()
        session.step()
        seconds = read() - began
        session.finish()
        if session.host.failures:
            raise SystemExit(str(session.host.failures[0]))
        return Timed(
            seconds,
            session.loop.counters(),
            session.loop.action_hash().hex(),
            session.state_hash,
            Decimal(session.loop.equity_text) - session.start_equity,
        )
    finally:
        session.close()
        shutil.rmtree(folder, ignore_errors=True)


def best_of(passes: int, strategy: type[Strategy], tape: Path, **options: Any) -> Timed:
    return min(run_once(strategy, tape, **options) for _ in range(passes))

"""`backtest --stress`: the same backtest in a worse world, for the stress line of the report.

A re-run knows what an estimate from fills cannot: that a later order does not fill at all, and
that the strategy then decides otherwise.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from onetape.engine.latency import Latency
from onetape.engine.plan import RunPlan
from onetape.engine.queue_model import CONSERVATIVE
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import started
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.replay.replay import strategy_of
from onetape.report.report_data import StressLine
from onetape.runs.venue_results import latency_text

__all__ = ["AUTO_EVENTS_MAX", "HINT", "reruns", "worse_plans"]

AUTO_EVENTS_MAX = 50_000  # up to here re-runs take less than the report itself
HINT = "Latency and queue need re-runs of the backtest: give --stress (in Python stress=True)."


BAR_VOLUME_SHARES = (10_000, 50_000, 500_000)  # 1e-6: 1 %, 5 % and the half


def worse_plans(plan: RunPlan, *, bars: bool = False) -> list[tuple[str, str, RunPlan | None]]:
    """(name, note, plan) of each re-run; no plan where it would be the run itself, or where the
    model cannot be made worse by a factor. bars: orders are filled from bars, so that what part of
    their volume can be had is a guess; the guesses stand side by side."""
    found: list[tuple[str, str, RunPlan | None]] = []
    longer = _with(
        plan,
        latency=plan.latency.scaled(2),
        latencies={venue: each.scaled(2) for venue, each in plan.latencies.items()},
    )
    if (longer.latency, longer.latencies) != (plan.latency, plan.latencies):
        found.append(("latency x2", latency_text(longer), longer))
    else:
        usual = Latency()
        note = f"the run had none; now {usual}"
        found.append(("latency of the default", note, _with(plan, latency=usual, latencies={})))
    if plan.queue == CONSERVATIVE:
        found.append(("back of queue", "the run itself already waits at the back of the queue", None))
    else:
        note = f"the run's queue model is {plan.queue}; now behind all that is displayed"
        found.append(("back of queue", note, _with(plan, queue=CONSERVATIVE)))
    for share in BAR_VOLUME_SHARES if bars else ():
        name = f"{share / 1e4:g} % of bar volume"
        if share == plan.bar_volume_share:
            found.append((name, "the run itself", None))
        else:
            note = f"the run takes up to {plan.bar_volume_share / 1e4:g} % of a bar's volume"
            found.append((name, note, _with(plan, bar_volume_share=share)))
    return found


def reruns(
    run: Path,
    plan: RunPlan,
    *,
    pnl: Decimal,
    bars: bool = False,
    instruments: Mapping[str, Instrument] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[StressLine]:
    """Returns the stress lines of a recorded run that take a backtest of their own.

    run: its folder, with the source kept in it, which is loaded anew: nothing that the strategy
    left in its module is seen again. A re-run that fails says so, Ctrl-C ends only them; the run
    itself stands.
    """
    lines = []
    for name, note, worse in worse_plans(plan, bars=bars):
        if worse is None:
            lines.append(StressLine(name, "not run", float(pnl), note))
            continue
        try:
            value = _pnl(run, worse, instruments, progress)
        except OnetapeError as problem:
            lines.append(StressLine(name, "not run", None, f"the re-run failed: {problem.what}"))
            continue
        except KeyboardInterrupt:
            # The run itself is done: it is kept, and only this is given up.
            lines.append(StressLine(name, "not run", None, "stopped by Ctrl-C"))
            break
        lines.append(StressLine(name, "re-run", float(value), note))
    return lines


def _pnl(
    run: Path, plan: RunPlan, instruments: Mapping[str, Instrument] | None, progress: Callable[[int, int], None] | None
) -> Decimal:
    # What the strategy prints it has printed already. Standard error carries the progress.
    with contextlib.redirect_stdout(io.StringIO()):
        limits = [each.last_sequence for each in plan.inputs]
        spec = RunSpec(plan, strategy_of(run, plan), instruments=instruments or {}, limits=limits)
        with started(spec, progress=progress) as session:
            session.step()
            session.finish()
            return session.profit


def _with(plan: RunPlan, **changes: Any) -> RunPlan:
    return replace(plan, sample_every=0, **changes)

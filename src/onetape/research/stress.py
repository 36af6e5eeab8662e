"""Run `backtest --stress`: the same backtest under worse assumptions, for the stress line of the report.

An estimate from fills cannot show that a later order would not fill, or that the strategy would then decide
differently. A re-run does.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from onetape.engine.latency import DEFAULT_LATENCY_NS, Latency
from onetape.engine.plan import RunPlan
from onetape.engine.queue_model import CONSERVATIVE
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import started
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.replay.repeating import strategy_of
from onetape.report.report_data import StressLine
from onetape.runs.venue_results import latency_text

__all__ = ["AUTO_EVENTS_MAX", "DRAWS_MAX", "HINT", "drawn_plans", "reruns", "worse_plans"]

AUTO_EVENTS_MAX = 50_000  # up to this number re-runs take less time than the report itself
HINT = "Latency and queue need re-runs of the backtest: give --stress (in Python stress=True)."
DRAWS_MAX = 1000
STOPPED = "stopped by Ctrl-C"
DRAWN = 2.0  # a random latency is between half and twice the run's, log-uniform
QUANTILES = (("5 %", 0.05), ("50 %", 0.5), ("95 %", 0.95))
BAR_VOLUME_SHARES = (10_000, 50_000, 500_000)  # 1e-6: 1 %, 5 % and 50 %


def worse_plans(plan: RunPlan, *, bars: bool = False) -> list[tuple[str, str, RunPlan | None]]:
    """Returns (name, note, plan) of each re-run. plan None: it would equal the run itself, or its model has no worse
    case. bars: orders fill on bars, where the available share of volume is a guess: several shares are tried."""
    found: list[tuple[str, str, RunPlan | None]] = []
    longer = _with(
        plan,
        latency=plan.latency.scaled(2),
        latencies={venue: each.scaled(2) for venue, each in plan.latencies.items()},
    )
    if (longer.latency, longer.latencies) != (plan.latency, plan.latencies):
        found.append(("latency x2", latency_text(longer), longer))
    else:
        named = {venue: _usual(each) for venue, each in plan.latencies.items()}
        usual = _with(plan, latency=_usual(plan.latency), latencies=named)
        found.append(("latency of the default", f"the run had none; now {latency_text(usual)}", usual))
    if plan.queue == CONSERVATIVE:
        found.append(("back of queue", "the run itself already waits at the back of the queue", None))
    else:
        note = f"the run's queue model is {plan.queue}; now at the back of the displayed size"
        found.append(("back of queue", note, _with(plan, queue=CONSERVATIVE)))
    if plan.impact is not None:
        note = f"the run's own takers move the market: {plan.impact}"
        found.append(("no own impact", note, _with(plan, impact=None)))
    for share in BAR_VOLUME_SHARES if bars else ():
        name = f"{share / 1e4:g} % of bar volume"
        if share == plan.bar_volume_share:
            found.append((name, "the run itself", None))
        else:
            note = f"the run takes up to {plan.bar_volume_share / 1e4:g} % of a bar's volume"
            found.append((name, note, _with(plan, bar_volume_share=share)))
    return found


def _usual(latency: Latency) -> Latency:
    """Returns the latency with the default delays if it has none; bursts and the age of events are unchanged."""
    if any(latency.longest):
        return latency
    return replace(latency, request=DEFAULT_LATENCY_NS, reply=DEFAULT_LATENCY_NS, curve=())


def drawn_plans(plan: RunPlan, draws: int) -> Iterator[RunPlan]:
    """Yields plans with random request, reply and burst latencies for each venue, seeded by the run's seed."""
    chance = random.Random(plan.seed)

    def drawn(latency: Latency) -> Latency:
        return latency.scaled(*(DRAWN ** chance.uniform(-1, 1) for _ in range(3)))

    usual = _usual(plan.latency)
    for _ in range(draws):
        yield _with(
            plan, latency=drawn(usual), latencies={venue: drawn(each) for venue, each in plan.latencies.items()}
        )


def _draws(draws: int, pnl_of: Callable[[RunPlan], Decimal], plan: RunPlan) -> list[StressLine]:
    found, problems = list[float](), list[str]()
    for each in drawn_plans(plan, draws):
        pnl, why = _tried(pnl_of, each)
        if pnl is not None:
            found.append(float(pnl))
        else:
            problems.append(why)
        if why == STOPPED:
            break
    left_out = f" (of {draws} wanted; {problems[-1]})" if problems else ""
    if not found:
        return [StressLine("latency drawn", "not run", None, problems[-1])]
    found.sort()
    usual = _usual(plan.latency)
    of = "the latency" if usual == plan.latency else f"{usual}, as the run had none"
    note = f"of {len(found)} re-runs{left_out}, each way between half and twice {of}; {sum(p < 0 for p in found)} lose"
    return [
        StressLine(f"latency drawn, {name}", "re-run", found[round(part * (len(found) - 1))], note)
        for name, part in QUANTILES
    ]


def reruns(
    run: Path,
    plan: RunPlan,
    *,
    pnl: Decimal,
    worse: bool = True,
    latency_draws: int = 0,
    bars: bool = False,
    instruments: Mapping[str, Instrument] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[StressLine]:
    """Returns the stress lines of a recorded run that need a backtest of their own.

    run: its folder; the saved source is loaded again, so that module state of the run has no effect. A failed re-run
    is reported; Ctrl-C ends only the re-runs, not the run. worse: include those of worse_plans; latency_draws: number
    of re-runs with a drawn latency.
    """

    def pnl_of(changed: RunPlan) -> Decimal:
        return _pnl(run, changed, instruments, progress)

    lines: list[StressLine] = []
    for name, note, changed in worse_plans(plan, bars=bars) if worse else ():
        if changed is None:
            lines.append(StressLine(name, "not run", float(pnl), note))
            continue
        found, why = _tried(pnl_of, changed)
        if found is None:
            lines.append(StressLine(name, "not run", None, why))
        else:
            lines.append(StressLine(name, "re-run", float(found), note))
        if why == STOPPED:
            return lines
    return lines + (_draws(latency_draws, pnl_of, plan) if latency_draws else [])


def _tried(pnl_of: Callable[[RunPlan], Decimal], plan: RunPlan) -> tuple[Decimal | None, str]:
    """Returns the profit of a re-run, or None and the reason."""
    try:
        return pnl_of(plan), ""
    except OnetapeError as problem:
        return None, f"the re-run failed: {problem.what}"
    except KeyboardInterrupt:
        return None, STOPPED  # only the re-run is stopped: the run itself is complete and saved


def _pnl(
    run: Path, plan: RunPlan, instruments: Mapping[str, Instrument] | None, progress: Callable[[int, int], None] | None
) -> Decimal:
    # The run has printed the strategy's output already. Standard error shows the progress.
    with contextlib.redirect_stdout(io.StringIO()):
        limits = [each.last_sequence for each in plan.inputs]
        spec = RunSpec(plan, strategy_of(run, plan), instruments=instruments or {}, limits=limits)
        with started(spec, progress=progress) as session:
            session.step()
            session.finish()
            return session.profit


def _with(plan: RunPlan, **changes: Any) -> RunPlan:
    return replace(plan, sample_every=0, **changes)

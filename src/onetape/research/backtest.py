"""Run a backtest from user options: find or import data, run, record, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onetape.engine.by_venue import ByVenue
from onetape.engine.parameters import parameters_of
from onetape.engine.plan import RunPlan
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session, started
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, StrategyError
from onetape.model.home import home_of
from onetape.replay.checkpoints import CheckpointWriter
from onetape.report.report_data import StressLine
from onetape.report.run import Run, open_run
from onetape.research.stress import AUTO_EVENTS_MAX, DRAWS_MAX, HINT, reruns
from onetape.runs.assumptions import fills_from_bars
from onetape.runs.input_tapes import load_instruments
from onetape.runs.options import CHOICES, Progress, RunOptions
from onetape.runs.preparing import prepare_plan, strategy_class
from onetape.runs.recording import new_folders_removed, new_run, record_run, run_uuid
from onetape.runs.run_summary import RunResult
from onetape.tape.journal import JournalReader

__all__ = ["BacktestOptions", "backtest", "run_backtest"]


@dataclass(frozen=True, slots=True)
class BacktestOptions(RunOptions):
    """Options of `onetape backtest` beside those of every run."""

    check_lookahead: bool = False
    report: Path | None = None
    write_report: bool = True
    # Re-runs for the report's stress lines; None: only for few events and a strategy in a file.
    stress: bool | None = None
    latency_draws: int = 0  # number of re-runs with a random latency, for the same lines
    force: bool = False  # an existing run at `out` is replaced
    sources: Sequence[Path] = ()  # for --check-lookahead: files from which the tapes in `data` were imported


def run_backtest(options: BacktestOptions) -> RunResult:
    """Run a backtest. The run's folder has everything to repeat it; a failed start leaves no folder."""
    began = time.perf_counter()
    if not 0 <= options.latency_draws <= DRAWS_MAX:
        raise BadConfig(f"{options.latency_draws} draws", location="--latency-draws", todo=f"0 to {DRAWS_MAX}")
    if (options.stress or options.latency_draws) and not options.write_report:
        what = "--stress" if options.stress else "--latency-draws"
        todo = f"leave out report=False: only the report shows the result of {what}"
        raise BadConfig(f"{what} without a report", location=what, todo=todo)
    if options.report is not None and options.report.is_dir():
        raise BadConfig(f"{options.report} is a folder", location="--report", todo="name a file, as run.html")
    strategy = strategy_class(options)
    with new_folders_removed(options.home / "runs", options.home / "tapes"):
        plan = prepare_plan(options, strategy)
        with new_run(options.out, options.home, strategy.__name__, replace=options.force) as folder:
            result = _run(plan, strategy, folder, options, began)
    if result.failures and plan.on_error != "continue":
        raise StrategyError(
            result.failures[0],
            location=strategy.__name__,
            todo=f"the robot was halted at that point; the run is kept in {folder}",
        )
    return result


def _run(plan: RunPlan, strategy: type[Strategy], folder: Path, options: BacktestOptions, began: float) -> RunResult:
    facts = load_instruments(options.instruments)
    spec = RunSpec(plan, strategy, folder / "journal", run_uuid(folder.name, plan), facts)
    with started(spec, progress=_progress_of(options.progress, plan)) as session:
        loop_began = time.perf_counter()
        kept = CheckpointWriter(folder, session) if session.compiled is None else None
        if kept is not None:
            kept.step(session.step)
        else:
            session.step()
        seconds = time.perf_counter() - loop_began
        session.finish()

        def worse(found: RunResult) -> list[StressLine]:
            options.doing("re-runs for the stress line")
            progress = _progress_of(options.progress, session.plan)
            lines = reruns(
                folder,
                session.plan,
                pnl=found.pnl,
                worse=wanted,
                latency_draws=options.latency_draws,
                bars=fills_from_bars(session),
                instruments=facts,
                progress=progress,
            )
            options.doing("the report")
            return lines

        wanted = _wants_stress(session, options)
        options.doing("the report")
        result = record_run(
            session,
            folder,
            seconds,
            report=options.write_report,
            target=options.report,
            instruments=options.instruments,
            stress=worse if wanted or options.latency_draws else None,
            stress_hint="" if wanted else HINT,
        )
        if kept is not None:
            kept.finish()
    if options.check_lookahead:
        from onetape.replay.lookahead import check_lookahead

        options.doing("the look-ahead check")
        inputs = [*options.data, *options.detail_data, *options.sources]
        files = [Path(each) for each in inputs if isinstance(each, (str, os.PathLike))]
        result.lookahead = check_lookahead(session.plan, folder, actions=session.actions_before_stop, forbidden=files)
    result.wall_seconds = time.perf_counter() - began
    return result


def _wants_stress(session: Session, options: BacktestOptions) -> bool:
    """Returns True when requested, or by default for a strategy file (a re-run reloads it), few events, and fills."""
    if options.stress is not None:
        return options.stress
    counters = session.loop.counters()
    is_file = isinstance(options.strategy, str)
    return is_file and bool(counters["fills"]) and counters["events"] <= AUTO_EVENTS_MAX


def _progress_of(progress: Progress | None, plan: RunPlan) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    total = 0
    for each in plan.inputs:
        with JournalReader(Path(each.path)) as reader:
            total += reader.core.last_sequence

    def report(frames: int, _now: int) -> None:
        progress(frames, total or None)

    return report


# --- Python ---------------------------------------------------------------------------------------


def backtest(
    strategy: type[Strategy] | str,
    data: Any,
    *,
    cash: str | Mapping[str, str] | None = None,
    fee: ByVenue | tuple[Any, Any] | None = None,
    symbol: str | None = None,
    latency: ByVenue | None = None,
    queue: str | None = None,
    fuse: bool = False,
    leverage: int | None = None,
    start: str | int | None = None,
    end: str | int | None = None,
    seed: int = 1,
    out: str | Path | None = None,
    home: str | Path | None = None,
    report: bool | str | Path = True,
    stress: bool = False,
    detail_data: Any = None,
    bar_volume: str | None = None,
    options: Mapping[str, Any] | None = None,
    **params: Any,
) -> Run:
    """Run `strategy` over `data` (a tape, a file, a polars or pandas frame, or a list of them).

    cash: "100000 USDT" for one account, {"binance": "100000 USDT", "kraken": "50000 USD"} for one
    at each venue. latency: "10ms", or {"": "10ms", "kraken": "20ms,80ms"} by venue, as are fee and
    the order rate.
    stress: also run it with twice the latency and at the back of the queue, for the report.
    detail_data: finer data of the same symbols, one or a list, which the exchange fills on inside
    bars and the strategy does not see. bar_volume: share of a bar's volume that fills may take.
    report: False writes none, a path receives a copy.
    Further keywords are the strategy's parameters (params={...} takes them too), or the command's other options by
    name: hedge=True, margin="isolated", columns={"close": "Adj Close"}; say=print shows how files and frames were
    interpreted.
    options: further options, for a strategy that has parameters with their names. Returns the recorded run: `.fills`,
    `.orders`, `.equity`, `.stats`, `.report()`.
    """
    inputs = {name: value for name, value in locals().items() if name not in ("home", "report", "options")}
    page = None if isinstance(report, bool) else Path(report)
    request = BacktestOptions(
        home=home_of(home), write_report=report is not False, report=page, **inputs, **_rarer(options)
    )
    return open_run(run_backtest(_sorted_out(request, options or {})).run)


def _sorted_out(request: BacktestOptions, options: Mapping[str, Any]) -> BacktestOptions:
    """Move rarer options from the keywords to the request, unless the strategy has a parameter with that name."""
    listed = request.params.get("params")
    named = RARER.intersection(request.params)
    own = parameters_of(strategy_class(request)).keys() if named or listed is not None else set()
    named -= own
    if isinstance(listed, Mapping) and "params" not in own:  # params={...}, as in sweep()
        others = {name: value for name, value in request.params.items() if name != "params"}
        if twice := sorted(listed.keys() & others.keys()):
            raise BadConfig(f"{twice[0]!r} is given twice", location="backtest(params=...)", todo="leave one out")
        request = replace(request, params={**listed, **others})
    if twice := sorted(named.intersection(options)):
        raise BadConfig(f"{twice[0]!r} is given twice", location="backtest(options=...)", todo="leave one out")
    rarer = {name: request.params[name] for name in named}
    return replace(request, params={k: v for k, v in request.params.items() if k not in named}, **rarer)


def _rarer(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Raises BadConfig for an unknown option."""
    rarer = dict(options or {})
    if unknown := sorted(set(rarer) - RARER):
        raise BadConfig(
            f"no option is called {unknown[0]!r}",
            location="backtest(options=...)",
            todo=f"there are {', '.join(sorted(RARER))}",
        )
    return rarer


# Options that are keywords of backtest(). Other names may also be parameters of a strategy.
_NAMED = frozenset({"symbol", "cash", "fee", "leverage", "latency", "queue", "fuse", "bar_volume", "seed"})
RARER = (frozenset(CHOICES) - _NAMED) | {
    "instruments",
    "check_lookahead",
    "latency_draws",
    "force",
    "columns",
    "time_format",
    "decimal",
    "say",
}

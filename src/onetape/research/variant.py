"""Run one variant of a sweep, a backtest that returns a row, and the worker process for variants.

A worker is `python -m onetape.research.variant`: it is started with an interpreter of its own, so
it inherits nothing from the caller (threads, a notebook's state, a script without a main guard).
It reads JSON lines, first the set-up, then lists of jobs, and writes a line for each job.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from onetape.engine.latency import curve_file
from onetape.engine.loader import load_strategy
from onetape.engine.plan import DETAIL, MARKET, RunPlan
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session, started, step_all
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, DiskFull, OnetapeError
from onetape.report.deflate import moments
from onetape.report.overfitting import pieces_of
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.input_tapes import load_instruments
from onetape.runs.page import report_data, run_statistics
from onetape.runs.preparing import prepare_plan
from onetape.runs.run_summary import RunResult

__all__ = ["LOOKAHEAD_JOB", "file_hash", "open_strategy", "run_jobs", "source_hash"]

Row: TypeAlias = dict[str, Any]
_Variant: TypeAlias = Generator[Session, None, Row]
LOOKAHEAD_JOB = "lookahead"  # kind of a job; jobs without a kind are backtests of variants
_MONEY = ("pnl", "fees", "funding", "final_equity")
_COUNTS = ("orders", "fills", "events", "denied", "rejected")


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_hash(reference: str) -> str:
    """Returns the SHA-256 of the strategy's file; empty for a module that has none."""
    place = reference.rpartition(":")[0]
    if place.endswith((".py", ".toml")):
        return file_hash(Path(place))
    found = find_spec(place)
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return ""
    return file_hash(Path(found.origin))


def open_strategy(setup: Mapping[str, Any]) -> type[Strategy]:
    """Load the class again from the sweep's source, with the modules beside it, so that globals changed by one
    variant do not affect the next. Raises BadConfig when the source has changed."""
    _forget(setup["reference"])
    if source_hash(setup["reference"]) != setup["source_hash"]:
        raise _edited(setup["reference"].rpartition(":")[0], "STRATEGY")
    return load_strategy(setup["reference"])


def _check_files(setup: Mapping[str, Any]) -> None:
    """Check that the files named by options are unchanged, because each variant reads them."""
    latency = setup["options"]["latency"]
    for path, flag, expected in (
        (setup["instruments"], "--instruments", setup["instruments_hash"]),
        (curve_file(latency) if latency else None, "--latency", setup["latency_hash"]),
    ):
        if path is not None and file_hash(Path(path)) != expected:
            raise _edited(path, flag)


def _edited(path: str | Path, location: str) -> BadConfig:
    return BadConfig(f"{path} was edited while the sweep ran", location=location, todo="start a new sweep")


def _forget(reference: str) -> None:
    """Unload the modules of the strategy's folder."""
    place = reference.rpartition(":")[0]
    if place.endswith((".py", ".toml")):
        folder = Path(place).resolve().parent
    else:
        found = find_spec(place.partition(".")[0])
        if found is None or found.origin is None:
            return
        folder = Path(found.origin).resolve().parent
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name.partition(".")[0] in ("__main__", "onetape"):
            continue
        if _is_of(folder, file):
            del sys.modules[name]


@cache
def _is_of(folder: Path, file: str) -> bool:
    path = Path(file).resolve()
    is_local = path.is_relative_to(folder) and "site-packages" not in path.parts
    return is_local and path.suffix in (".py", ".toml")  # extension modules cannot be loaded twice


def run_jobs(setup: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Returns the jobs' rows: `key`, and either the result or `error`. A failed variant is a row as well; only an
    InvariantViolation ends the process. Several variants share one reading of the tape; variants that run out of
    memory are repeated alone."""
    rows: dict[str, Row] = {}
    waiting: list[tuple[str, _Variant, Session]] = []

    def resume(key: str, call: Callable[[], Session]) -> Session | None:
        try:
            return call()
        except StopIteration as ended:
            rows[key] = {"key": key, "error": None, **ended.value}
        except OnetapeError as problem:
            rows[key] = {"key": key, "error": str(problem), "error_name": problem.name}
        except (OSError, MemoryError) as problem:
            rows[key] = {"key": key, "error": f"{type(problem).__name__}: {problem}"}
        return None

    for job in jobs:
        variant = _look_ahead(setup, job) if job.get("kind") == LOOKAHEAD_JOB else _run(setup, job)
        if (session := resume(job["key"], partial(next, variant))) is not None:
            waiting.append((job["key"], variant, session))
    problems = step_all([session for _, _, session in waiting])
    for (key, variant, _), problem in zip(waiting, problems, strict=True):
        resume(key, partial(next, variant) if problem is None else partial(variant.throw, problem))
    for job in jobs if len(jobs) > 1 else ():
        if _had_no_room(rows[job["key"]]):  # out of memory or disk beside the others
            (rows[job["key"]],) = run_jobs(setup, [job])
    return [rows[job["key"]] for job in jobs]


def _had_no_room(row: Row) -> bool:
    return row["error"] is not None and (
        row.get("error_name") == DiskFull.name or row["error"].startswith(("MemoryError", "OSError: [Errno 28]"))
    )


def _options(setup: Mapping[str, Any], strategy: type[Strategy], job: Mapping[str, Any], home: Path) -> BacktestOptions:
    return BacktestOptions(
        strategy=strategy,
        data=[Path(each["path"]) for each in setup["tapes"] if each["role"] == MARKET],
        detail_data=[Path(each["path"]) for each in setup["tapes"] if each["role"] == DETAIL],
        home=home,
        params=job["params"],
        start=job.get("start"),
        end=job.get("end"),
        instruments=Path(setup["instruments"]) if setup["instruments"] else None,
        write_report=False,
        stress=False,
        **setup["options"],
    )


def _run(setup: Mapping[str, Any], job: Mapping[str, Any]) -> _Variant:
    """Run one variant up to its row. Yields its session, and continues when that is at the end of its tape."""
    strategy = open_strategy(setup)
    _check_files(setup)
    with tempfile.TemporaryDirectory(prefix="variant-", dir=setup["scratch"]) as scratch:
        folder = Path(scratch)
        if setup["keep_runs"]:
            out = Path(setup["keep_runs"]) / job["key"].replace("/", "-")
            shutil.rmtree(out, ignore_errors=True)  # left by a killed sweep
            run_backtest(replace(_options(setup, strategy, job, folder), out=out))
        options = _options(setup, strategy, job, folder)
        plan = prepare_plan(options, strategy)
        if plan.start is None and plan.end is None:
            plan = replace(plan, sample_every=setup["sample_every"])
        spec = RunSpec(
            plan,
            strategy,
            folder / "journal",
            instruments=load_instruments(options.instruments),
            # A growing tape is read up to its end at the sweep's start.
            limits=[each["last_sequence"] for each in setup["tapes"]],
            is_scratch=True,
        )
        with started(spec) as session:
            yield session
            session.finish()
            result = RunResult.of(session, run=folder, seconds=0.0)
            if result.failures and plan.on_error != "continue":
                return {"error": result.failures[0], "error_name": "STRATEGY_ERROR"}
            data = report_data(session, folder, [], result, with_market=False)
            data.stats = run_statistics(data, result)
    row = _row(result, data, plan, wants_equity=bool(job.get("equity")))
    return {**row, "pieces": pieces_of(data.equity_ts, data.equity)} if job.get("pieces") else row


def _row(result: RunResult, data: Any, plan: RunPlan, *, wants_equity: bool) -> dict[str, Any]:
    annual, ts = data.annual, data.equity_ts
    period = annual.period(ts)
    found = moments(annual.returns(ts, data.equity, period) - annual.scale(ts, period).riskless)
    row: dict[str, Any] = {
        "seed": plan.seed,
        **{name: float(getattr(result, name)) for name in _MONEY},
        **{name: getattr(result, name) for name in _COUNTS},
        "stats": {
            name: _finite(value)
            for name, value in data.stats.items()
            if value is None or isinstance(value, (bool, int, float, str))
        },
        "returns": found.count,
        "period_sharpe": _finite(found.sharpe),
        "skewness": _finite(found.skewness),
        "kurtosis": _finite(found.kurtosis),
        "action_hash": result.action_hash,
    }
    if wants_equity:
        row["equity"] = [data.equity_ts.tolist(), data.equity.tolist()]
    return row


def _finite(value: Any) -> Any:
    """Returns None for infinity and NaN, which JSON does not have."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _look_ahead(setup: Mapping[str, Any], job: Mapping[str, Any]) -> _Variant:
    strategy = open_strategy(setup)
    _check_files(setup)
    with tempfile.TemporaryDirectory(prefix="lookahead-", dir=setup["scratch"]) as scratch:
        options = replace(
            _options(setup, strategy, job, Path(scratch)),
            out=Path(scratch) / "run",
            check_lookahead=True,
            sources=[Path(each) for each in setup["sources"]],
        )
        return {"lookahead": run_backtest(options).lookahead}
    yield  # never reached


# --- the process ----------------------------------------------------------------------------------


def main() -> int:
    """Run jobs until standard input ends, which also happens when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a strategy's print must not mix with the answers
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    def answer(value: Mapping[str, Any]) -> None:
        answers.write(json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n")
        answers.flush()

    setup = json.loads(lines.get())
    sys.path[:] = setup["sys_path"]
    try:
        open_strategy(setup)
    except OnetapeError as problem:
        answer({"ready": False, "error": str(problem)})
        return 1
    gc.freeze()  # the garbage collector skips objects loaded so far
    answer({"ready": True})
    while True:
        answer({"rows": run_jobs(setup, json.loads(lines.get()))})


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    # The parent has ended: a variant in progress is discarded.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

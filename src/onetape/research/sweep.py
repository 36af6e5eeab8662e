"""Run a backtest for each combination of a parameter grid: planned, spread over processes, saved as they finish.

A variant's result is appended to results.jsonl and synced before the next one is handed out,
so that a sweep killed at any moment resumes and ends with the same table. Rows
are in the order of the grid, not of finishing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from onetape.engine.compiled import is_compiled
from onetape.engine.grid import Grid, make_grid
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, Divergence, NotAvailable
from onetape.model.home import home_of
from onetape.report.annual import annual_of
from onetape.report.sweep_results import (
    RESULTS,
    Sweep,
    best_of,
    check_metric,
    is_sweep,
    metric_of,
    open_sweep,
    read_rows,
    require_polars,
)
from onetape.research.optimize import SAMPLERS, proposals, require_optuna
from onetape.research.pool import Batch, run_local
from onetape.research.ray_pool import is_address, run_ray
from onetape.research.sweep_plan import SweepOptions, begin_sweep, locked, make_manifest, sweep_folder, write_json
from onetape.research.variant import LOOKAHEAD_JOB
from onetape.research.walk import Window, summarize_walk, test_jobs, train_job, windows_of
from onetape.runs.options import Progress
from onetape.runs.preparing import parse_plan, strategy_class, with_sessions
from onetape.runs.recording import new_folders_removed, set_aside
from onetape.security.private import private_folder

__all__ = ["SweepOptions", "SweepResult", "divergence_of", "run_sweep", "sweep"]

POINTS_MAX = 10**12  # largest grid of a search, which tries few points
PIECES_OF_MAX = 2_000  # largest number of variants with saved profit over time, some 3 kB each
# Bounds of variants that share one reading of a tape, and of their total frames: some seconds of work.
TOGETHER_MAX, FRAMES_TOGETHER_MAX = 32, 256_000_000
LOOKAHEAD_SAMPLE = 5  # the best, and four spread evenly over the grid
# Keys of the manifest that every variant needs.
SETUP = (
    "reference",
    "source_hash",
    "tapes",
    "sources",
    "instruments",
    "instruments_hash",
    "latency_hash",
    "options",
    "sample_every",
)
BACKENDS = {"local": run_local, "ray": run_ray}


@dataclass(slots=True)
class SweepResult:
    """A sweep, and how it ended. ran: number of variants that this call ran."""

    sweep: Sweep
    ran: int
    wall_seconds: float
    lookahead: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the keys of `sweep --json`."""
        sweep, walk = self.sweep, self.sweep.walk_forward
        rows = sweep.rows
        found: dict[str, Any] = {
            "sweep": str(sweep.path),
            "strategy": sweep.name,
            "variants": sweep.tries,
            "done": len(rows),
            "ran": self.ran,
            "failed": sum(row["error"] is not None for row in rows),
            "metric": sweep.metric,
            "best": None,
            "results": str(sweep.path / "results.parquet"),
            "report": str(sweep.path / "report.html"),
            "wall_seconds": round(self.wall_seconds, 6),
        }
        if walk is not None:
            found["walk_forward"] = {name: walk[name] for name in ("windows", "stats", "efficiency")}
        elif best_of(rows, sweep.metric) is not None:
            found["best"] = sweep.best()
        if self.lookahead is not None:
            found["lookahead"] = self.lookahead
        if sweep.facts.get("search"):
            found["trials"] = [
                {name: row[name] for name in ("window", "phase", "variant", "params", "error")}
                | {"value": metric_of(row, sweep.metric)}
                for row in rows
            ]
            judged = sweep.overfit
            found["odds_of_luck"] = judged.odds_of_luck if judged is not None else None
            found["overfitting"] = judged.as_json() if judged is not None else None
        return found


def run_sweep(options: SweepOptions) -> SweepResult:
    """Run the variants without a result, and write the table and the page.

    Ctrl-C leaves all finished results in the folder, for --resume.
    """
    began = time.perf_counter()
    if options.backend not in BACKENDS and not is_address(options.backend):
        raise BadConfig(f"unknown backend {options.backend!r}", location="--backend", todo="local, ray or ray://HOST")
    if is_address(options.backend) and options.keep_runs:
        raise NotAvailable(
            "runs stay on the cluster's machines", location="--keep-runs", todo="a local sweep keeps them"
        )
    if options.metric is not None:
        check_metric(options.metric)
    if options.trials:
        if options.sampler not in SAMPLERS:
            raise BadConfig(f"unknown sampler {options.sampler!r}", location="--sampler", todo=" or ".join(SAMPLERS))
        require_optuna()
    require_polars()
    option = options.check_lookahead
    lookahead = ("sample" if option else "") if isinstance(option, bool) else option
    if lookahead not in ("", "sample", "all"):
        raise BadConfig(f"check_lookahead {lookahead!r}", todo="sample or all")
    strategy = strategy_class(options)
    grid = make_grid(strategy, options.params, **({"most": POINTS_MAX} if options.trials else {}))
    folder = sweep_folder(options, strategy)
    is_replaced = options.force and not options.resume and is_sweep(folder)
    is_new = is_replaced or not is_sweep(folder)
    if is_replaced:
        with locked(folder, remove=False):  # raises if another process sweeps into it
            pass
    with new_folders_removed(folder.parent, options.home / "tapes"), ExitStack() as lock:
        with set_aside(folder) if is_replaced else nullcontext():
            lock.enter_context(locked(folder, remove=is_new))
            manifest = make_manifest(options, strategy, grid, folder)
            search = {"sampler": options.sampler, "ahead": options.jobs or cores()}
            manifest["search"] = search if options.trials else None
            windows = _windows(manifest)
            begin_sweep(folder, manifest, is_new=is_new)
        work = _Work(options, manifest, folder, strategy)
        try:
            tries = min(options.trials or len(grid), len(grid))
            if windows:
                work.total = (tries + 1) * len(windows)
                for window in windows:
                    work.try_all(partial(train_job, window, grid), grid, manifest)
                work.do(test_jobs(windows, grid, work.rows, manifest["metric"]))
                plan = parse_plan(replace(options, params=grid[0]), strategy)
                annual = annual_of(with_sessions(plan, manifest["start"], manifest["end"]))
                walked = summarize_walk(windows, grid, work.rows, manifest["metric"], annual)
                write_json(folder / "walk.json", walked)
            else:
                work.total = tries
                span = {"start": manifest["start"], "end": manifest["end"], "pieces": tries <= PIECES_OF_MAX}
                work.try_all(lambda at: {"key": str(at), "params": grid[at], **span}, grid, manifest)
            checked = _look_ahead(work, grid, lookahead, manifest) if lookahead else None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{len(work.rows)} of {work.total} results are kept in {folder}") from None
        finally:
            work.close()
        options.doing("the report")
        found = open_sweep(folder)
        found.write_table()
        found.report()
    return SweepResult(found, work.ran, time.perf_counter() - began, checked)


class _Work:
    """Runs a sweep's jobs and appends finished rows to its file."""

    def __init__(self, options: SweepOptions, manifest: dict[str, Any], folder: Path, strategy: type[Strategy]) -> None:
        frames = sum(each["last_sequence"] for each in manifest["tapes"])
        shares = is_compiled(strategy) and not options.interpret
        self._together_max = min(TOGETHER_MAX, FRAMES_TOGETHER_MAX // max(frames, 1)) if shares else 1
        self.total = 0
        self.ran = 0
        self.kept = 0  # number of rows from earlier calls
        self._options = options
        self._scratch = folder / ".work"
        shutil.rmtree(self._scratch, ignore_errors=True)
        private_folder(self._scratch)
        if options.keep_runs:
            private_folder(folder / "runs")
        self._setup = {
            **{name: manifest[name] for name in SETUP},
            "scratch": str(self._scratch),
            "keep_runs": str(folder / "runs") if options.keep_runs else "",
            "sys_path": [str(Path(each).absolute()) if each else os.getcwd() for each in sys.path],  # noqa: PTH109
        }
        path = folder / RESULTS
        self.rows, whole = read_rows(path)
        # A row about a killed worker is no result: its variant is retried.
        self.rows = {key: row for key, row in self.rows.items() if not _is_lost(row)}
        self.kept = len(self.rows)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, whole)

    def try_all(self, job: Callable[[int], dict[str, Any]], grid: Grid, manifest: Mapping[str, Any]) -> None:
        """Run all variants, or the requested number of trials."""
        search = manifest["search"]
        if not search:
            self.do(job(at) for at in range(len(grid)))
            return
        jobs = proposals(
            grid,
            self.rows,
            job,
            metric=manifest["metric"],
            trials=self._options.trials,
            ahead=search["ahead"],
            sampler=search["sampler"],
            seed=self._options.seed,
        )
        self._run(([each] if each is not None else None for each in jobs), search["ahead"])

    def do(self, jobs: Any) -> None:
        """Run the jobs that have no row yet. Each row is on disk before it counts."""
        waiting = [job for job in jobs if job["key"] not in self.rows]
        processes = min(self._options.jobs or cores(), len(waiting))
        self._run(self._together(waiting, processes), processes)

    def _together(self, jobs: list[dict[str, Any]], processes: int) -> Iterator[list[dict[str, Any]]]:
        """Yields lists of jobs (compiled strategy, same frames) that one process runs over one reading of the tape.
        Lists are short, to keep all processes busy and lose little at a kill."""
        most = min(self._together_max, len(jobs) // (4 * processes)) if processes else 1
        for _, alike in groupby(jobs, lambda job: (job.get("kind"), job.get("start"), job.get("end"))):
            while some := [*islice(alike, max(most, 1))]:
                yield some

    def _run(self, jobs: Any, processes: int) -> None:
        first = next(waiting := iter(jobs), None)
        if first is None:  # no job is left: start no process
            return
        waiting = chain([first], waiting)
        backend = self._options.backend
        address = backend if is_address(backend) else ""
        run = BACKENDS.get(backend, run_ray)
        run(Batch(self._setup, waiting, self._take, processes, self._show, address))

    def _take(self, row: dict[str, Any]) -> None:
        line = json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        while line:
            line = line[os.write(self._file, line) :]
        os.fsync(self._file)
        self.rows[row["key"]] = row
        self.ran += 1
        self._show()

    def _show(self) -> None:
        if self._options.progress is not None:
            # Only this call's jobs, for the estimate of the remaining time.
            self._options.progress(self.ran, self.total - self.kept)

    def close(self) -> None:
        os.close(self._file)
        shutil.rmtree(self._scratch, ignore_errors=True)


def _is_lost(row: Mapping[str, Any]) -> bool:
    return row["error"] is not None and "error_name" not in row


def _windows(manifest: dict[str, Any]) -> list[Window]:
    walk = manifest["walk_forward"]
    if not walk:
        return []
    return windows_of(
        manifest["start"],
        manifest["end"],
        train=walk["train"],
        test=walk["test"],
        anchored=walk["anchored"],
        gap=walk.get("gap", 0),
    )


def _look_ahead(work: _Work, grid: Grid, how: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Check variants over the sweep's range for decisions that need future data; returns the checked variants and the
    differing ones."""
    span = {"start": manifest["start"], "end": manifest["end"]}
    tried = sorted(int(key) for key in work.rows if key.isdigit()) if manifest["search"] else range(len(grid))
    chosen = set(tried)
    if how == "sample":
        spread = np.linspace(0, len(tried) - 1, min(LOOKAHEAD_SAMPLE - 1, len(tried))).astype(int)
        chosen = {tried[at] for at in spread.tolist()}
        best = best_of([row for key, row in work.rows.items() if key.isdigit()], manifest["metric"])
        if best is not None:
            chosen.add(int(best["key"]))
    work.total += len(chosen)
    work.do({"kind": LOOKAHEAD_JOB, "key": f"lookahead/{at}", "params": grid[at], **span} for at in sorted(chosen))
    rows = [work.rows[f"lookahead/{at}"] for at in sorted(chosen)]
    bad = [
        (row.get("error_name") == Divergence.name, {"variant": at, "error": row["error"]})
        for at, row in zip(sorted(chosen), rows, strict=True)
        if row["error"] is not None
    ]
    return {
        "how": how,
        "checked": sorted(chosen),
        "of": len(grid),
        "decisions": sum(row["lookahead"]["decisions"] for row in rows if row["error"] is None),
        "differing": [each for is_divergence, each in bad if is_divergence],
        "failed": [each for is_divergence, each in bad if not is_divergence],
    }


def cores() -> int:
    """Returns the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# --- Python ---------------------------------------------------------------------------------------


def sweep(
    strategy: type[Strategy] | str,
    data: Any,
    *,
    params: Mapping[str, Any],
    jobs: int | None = None,
    walk_forward: str | tuple[str, str] | None = None,
    anchored: bool = False,
    metric: str | None = None,
    backend: str = "local",
    out: str | Path | None = None,
    home: str | Path | None = None,
    resume: bool = False,
    check_lookahead: str | bool = False,
    keep_runs: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Sweep:
    """Backtest every combination of `params` ({"fast": [5, 10], ...}) over `data`.

    jobs: number of parallel processes; default: one per core. walk_forward: ("30d", "10d") chooses by `metric`
    on 30 days and trades the next 10, repeatedly. Further keywords are options of a
    backtest: cash, fee, symbol, latency, detail_data, closed, ... (see RunOptions).
    A class typed into a notebook or a script works: its source is sent with the sweep.
    Raises Divergence when check_lookahead finds a decision that needs the future.
    """
    chosen = {name: value for name, value in locals().items() if name not in ("home", "options")}
    names = {each.name for each in fields(SweepOptions)}
    for name in options:
        if name not in names:
            raise BadConfig(
                f"unknown option {name!r}",
                location="sweep",
                todo=f"a strategy's parameter goes into params={{{name!r}: [...]}}",
            )
    result = run_sweep(SweepOptions(home=home_of(home), **chosen, **options))
    if (divergence := divergence_of(result)) is not None:
        raise divergence
    return result.sweep


def divergence_of(result: SweepResult) -> Divergence | None:
    """Returns the look-ahead check's finding as an error; None when no decision changed."""
    checked = result.lookahead
    if checked is None or not checked["differing"]:
        return None
    found = checked["differing"]
    return Divergence(
        f"{len(found)} of {len(checked['checked'])} checked variants fail the look-ahead check; "
        f"variant {found[0]['variant']}: {found[0]['error']}",
        location="--check-lookahead",
        todo="the strategy sees the future: look for files, globals or whole-tape reads",
    )

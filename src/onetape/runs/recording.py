"""Manage a run's folder: its location, and its files when the session has finished."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from onetape.engine.loader import keep_source
from onetape.engine.plan import SEQUENCE_NEVER, RunPlan, read_plan, write_plan
from onetape.engine.session import Session
from onetape.model.errors import BadConfig
from onetape.replay.repeating import INSTRUMENTS_FILE
from onetape.report.report_data import StressLine
from onetape.runs.assumptions import assumptions_of
from onetape.runs.depth_lines import measured_depth
from onetape.runs.earlier_incarnations import add_earlier_incarnations
from onetape.runs.options import RunOptions
from onetape.runs.page import write_run_report
from onetape.runs.pushed_fills import write_pushed_fills
from onetape.runs.run_summary import RunResult, plan_facts, run_facts, why_no_orders
from onetape.security.private import make_private, private_folder
from onetape.tape.prune import pin

__all__ = ["begin_run", "new_folders_removed", "new_run", "record_run", "run_folder", "run_uuid", "set_aside"]

RUNNING: Final = "running"
STOPPED: Final = "stopped"


@contextmanager
def new_run(out: str | Path | None, home: Path, name: str, *, replace: bool = False) -> Iterator[Path]:
    """Create a new folder for a run, removed if the block fails. replace: an existing run of that name is set aside
    before and removed after; if the block fails it is restored."""
    is_replaced = replace and out is not None and (_named(out, home) / "run.toml").is_file()
    with set_aside(_named(out, home).resolve()) if is_replaced and out is not None else nullcontext():
        folder = run_folder(out, home, name, todo="choose another name, or --force replaces a run")
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def set_aside(path: Path) -> Iterator[None]:
    """Move a run or sweep out of the way: removed after the block, restored where the block fails."""
    aside = path.with_name(f".{path.name}.replaced-{os.getpid()}")
    path.rename(aside)
    try:
        yield
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _named(out: str | Path, home: Path) -> Path:
    path = Path(out)
    is_bare = "/" not in str(out) and str(out) not in (".", "..")
    return home / "runs" / path if is_bare else path


def run_folder(
    out: str | Path | None, home: Path, name: str, *, todo: str = "choose another name or remove it"
) -> Path:
    """Returns a new folder for a run. `out`: a path, or a bare name under <home>/runs."""
    if out is not None:
        path = _named(out, home)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = "the run exists already" if (path / "run.toml").is_file() else "this path exists and is no run"
            raise BadConfig(f"{what}: {path}", location="--out", todo=todo)
    else:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        path = home / "runs" / f"{stamp}-{name.lower()}"
        private_folder(path.parent)
        number = 2
        while True:  # another robot may create the same folder in the same second
            try:
                path.mkdir(mode=0o700)
                break
            except FileExistsError:
                path = home / "runs" / f"{stamp}-{name.lower()}-{number}"
                number += 1
    private_folder(path)
    return path.resolve()


@contextmanager
def new_folders_removed(*folders: Path) -> Iterator[None]:
    """On failure remove the empty ones of `folders` and their parents that did not exist before."""
    absent = {each for folder in folders for each in (folder, *folder.parents) if not each.exists()}
    try:
        yield
    except BaseException:
        for each in sorted(absent, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # missing, or not empty
                each.rmdir()
        raise


def run_uuid(name: str, plan: RunPlan, home: Path | None = None) -> bytes:
    """Returns the identity of a run's journal, derived from its name and plan: equal runs have equal ones. home: the
    place of this folder is no part of it."""
    inputs = str([each.path for each in plan.inputs])
    if home is not None:
        inputs = inputs.replace(str(home), "")
    text = f"{name}|{plan.strategy}|{plan.params}|{plan.seed}|{inputs}"
    return hashlib.sha256(text.encode()).digest()[:16]


def _whole(plan: RunPlan, folder: Path) -> RunPlan:
    """Returns the plan of the run's first incarnation with the inputs that the last one read."""
    if plan.live is None or plan.live.life == 1:
        return plan
    first, _ = read_plan(folder)
    return replace(first, inputs=plan.inputs, bar_sources={**first.bar_sources, **plan.bar_sources})


def begin_run(session: Session, folder: Path, options: RunOptions, *, named: str, robot: str, after: str = "") -> None:
    """Write everything that a replay needs before on_start, so that a killed run has it, too; a resumed run has it
    already. named: the strategy's reference in the configuration; after: the run that this one continues."""
    if (folder / "run.toml").is_file():
        return
    if options.instruments is not None:
        shutil.copyfile(options.instruments, folder / INSTRUMENTS_FILE)
    _keep_source(session, folder)
    cores = [source.reader.core for source in session.sources]
    live = session.plan.live
    inputs = [
        replace(
            each,
            uuid=bytes(core.uuid).hex(),
            epoch=core.epoch,
            first_sequence=live.market_from if live is not None and live.is_of_hub(number) else 1,
        )
        for number, (each, core) in enumerate(zip(session.plan.inputs, cores, strict=True))
    ]
    for each in inputs:
        pin(Path(each.path), folder.name, each.first_sequence, SEQUENCE_NEVER)
    session.plan = replace(session.plan, inputs=inputs)
    state = {"now": RUNNING, "robot": robot, "strategy": named, "after": after}
    write_plan(session.plan, folder / "run.toml", {"state": state, **plan_facts(session)})
    make_private(folder)


def _keep_source(session: Session, folder: Path) -> None:
    kept = keep_source(session.strategy_class, folder / "source")
    session.plan = replace(session.plan, strategy=kept or session.plan.strategy)


def record_run(
    session: Session,
    folder: Path,
    seconds: float,
    *,
    report: bool = True,
    target: Path | None = None,
    instruments: Path | None = None,
    stress: Callable[[RunResult], Sequence[StressLine]] | None = None,
    stress_hint: str = "",
) -> RunResult:
    """Write the source, the page and, last, run.toml after finish(). Only run.toml makes the folder a run.

    instruments: the file of --instruments, kept for a replay.
    stress: called when the source is kept; returns stress lines from re-runs.
    """
    began: dict[str, Any] = {}
    if (folder / "run.toml").is_file():
        began = read_plan(folder)[1]
    else:
        if instruments is not None:
            shutil.copyfile(instruments, folder / INSTRUMENTS_FILE)
        _keep_source(session, folder)
    plan = session.plan = replace(session.plan, bar_sources=session.host.bars.sources)
    write_pushed_fills(session, folder)
    result = RunResult.of(session, run=folder, seconds=seconds)
    result.depth = measured_depth(session)
    result.assumptions = assumptions_of(session, result.depth)
    result.why_no_orders = why_no_orders(session)
    if plan.live is not None and plan.live.life > 1:
        add_earlier_incarnations(result, session, folder / "journal")
    if report:
        result.report = write_run_report(
            session,
            folder,
            result.assumptions,
            result,
            target=target,
            reruns=stress(result) if stress is not None else (),
            hint=stress_hint,
        )
    if began:
        began["state"]["now"] = STOPPED
    write_plan(
        _whole(plan, folder) if began else plan,
        folder / "run.toml",
        {**({"state": began["state"]} if began else {}), **run_facts(session, result)},
    )
    make_private(folder)
    if plan.kind != "backtest":
        for each in plan.inputs:  # marks live journals as needed by this run: they are not pruned
            pin(Path(each.path), folder.name, each.first_sequence, each.last_sequence)
    return result

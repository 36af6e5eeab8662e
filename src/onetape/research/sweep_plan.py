"""Plan a sweep: its folder, its manifest, and whether two sweeps are the same."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from onetape import _core
from onetape.engine.cell_source import module_text
from onetape.engine.grid import Grid
from onetape.engine.latency import curve_file
from onetape.engine.loader import keep_source, load_strategy
from onetape.engine.plan import MARKET, RunPlan, TapeInput
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, BadInput, JournalLocked
from onetape.model.time import DAY, rough_duration
from onetape.report.sweep_results import MANIFEST, PER_YEAR, is_sweep, open_sweep
from onetape.research.variant import file_hash, source_hash
from onetape.research.walk import parse_walk
from onetape.runs.input_tapes import load_instruments
from onetape.runs.options import CHOICES, RunOptions, choices_of
from onetape.runs.preparing import prepare_plan
from onetape.security.private import make_private, private_folder
from onetape.tape.durable import is_unfinished, write_durably
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["SweepOptions", "begin_sweep", "locked", "make_manifest", "sweep_folder", "write_json"]

# Options that older manifests do not have.
_DEFAULTS: dict[str, Any] = {
    each.name: [] if each.name == "closed" else each.default for each in fields(RunOptions) if each.name in CHOICES
}
# Keys that identify a sweep: --resume refuses to mix different ones.
_SAME = {
    "class": "another class",
    "source_hash": "another source",
    "grid": "another grid",
    "options": "other options",
    "instruments_hash": "other facts in --instruments",
    "latency_hash": "another latency curve",
    "tapes": "other tapes",
    "start": "another start",
    "end": "another end",
    "walk_forward": "another walk forward",
    "search": "another sampler or number of --jobs",
}


@dataclass(frozen=True, slots=True)
class SweepOptions(RunOptions):
    """Options of `onetape sweep` beside those of every run. params: name -> values."""

    walk_forward: str | Sequence[str] | None = None
    anchored: bool = False
    jobs: int | None = None
    metric: str | None = None  # None: sharpe, or return where the data cover less than a day
    backend: str = "local"
    resume: bool = False
    force: bool = False  # an existing sweep at `out` is replaced
    check_lookahead: str | bool = False  # True or "sample", "all"
    keep_runs: bool = False
    trials: int = 0  # number of trials of a search; 0: run the whole grid
    sampler: str = "tpe"


def sweep_folder(options: SweepOptions, strategy: type[Strategy]) -> Path:
    if options.out is None:
        if options.resume:
            raise BadConfig("--resume without a folder", location="--out", todo="name the sweep")
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        name, number = f"{stamp}-{strategy.__name__.lower()}", 1
        while (options.home / "sweeps" / name).exists():
            number += 1
            name = f"{stamp}-{strategy.__name__.lower()}-{number}"
        path = options.home / "sweeps" / name
    else:
        path = Path(options.out)
        if "/" not in str(options.out) and str(options.out) not in (".", ".."):
            path = options.home / "sweeps" / path
    if path.exists():
        if not path.is_dir() or not (is_sweep(path) or _is_begun(path)):
            raise BadConfig(f"{path} exists and is no sweep", location="--out", todo="choose another")
        if is_sweep(path) and not (options.resume or options.force):
            todo = "add --resume to continue it or --force to replace it, or choose another"
            raise BadConfig(f"{path}: the sweep exists", location="--out", todo=todo)
    return path.absolute()


def _is_begun(folder: Path) -> bool:
    """Returns True for a folder that is empty, or left by a sweep killed before its manifest."""
    return all(each.name in (".lock", "source") or is_unfinished(each, MANIFEST) for each in folder.iterdir())


@contextmanager
def locked(folder: Path, *, remove: bool) -> Iterator[None]:
    """Lock a folder for one sweep at a time. remove: delete the folder on a failure before its manifest."""
    private_folder(folder)
    file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JournalLocked(
                f"another process is sweeping into {folder}", location="--out", todo="wait for it"
            ) from None
        try:
            yield
        except BaseException:
            if remove and not is_sweep(folder):
                shutil.rmtree(folder, ignore_errors=True)
            raise
    finally:
        os.close(file)


def make_manifest(options: SweepOptions, strategy: type[Strategy], grid: Grid, folder: Path) -> dict[str, Any]:
    """Returns everything that decides the results. Files are imported here, once."""
    plan = prepare_plan(replace(options, params=grid[0]), strategy)
    kept = open_sweep(folder).facts if is_sweep(folder) else {}
    before = kept.get("tapes", [])
    tapes = [
        _mark(each, before[at]["last_sequence"] if at < len(before) else None) for at, each in enumerate(plan.inputs)
    ]
    reference = _reference(strategy, folder)
    metric = _metric(options, kept, plan)
    walk, start, end = None, plan.start, plan.end
    if options.walk_forward:
        train, test, gap = parse_walk(options.walk_forward)
        # The metric decides the variants traded in the test windows.
        walk = {"train": train, "test": test, "anchored": options.anchored, "metric": metric}
        walk |= {"gap": gap} if gap else {}
        first_ts, last_ts = _span([each for each in plan.inputs if not each.is_detail])
        start = first_ts if start is None else max(start, first_ts)
        end = last_ts + 1 if end is None else min(end, last_ts + 1)
    instruments = options.instruments
    load_instruments(instruments)  # report an error here once, not for every variant
    curve = curve_file(options.latency) if options.latency else None
    return {
        "version": 1,
        "class": strategy.__name__,
        "reference": reference,
        "source_hash": source_hash(reference),
        "grid": {name: list(values) for name, values in grid.axes.items()},
        "options": choices_of(options),
        "instruments": str(instruments.absolute()) if instruments else None,
        "instruments_hash": file_hash(instruments) if instruments else None,
        "latency_hash": file_hash(curve) if curve else None,
        "start": start,
        "end": end,
        # Computed for the present tapes: a growing tape would give wider steps later.
        "sample_every": kept["sample_every"] if kept else plan.sample_every,
        "tapes": tapes,
        "sources": [
            str(Path(each).absolute())
            for each in (*options.data, *options.detail_data)
            if isinstance(each, (str, os.PathLike)) and not is_tape(Path(each))
        ],
        "walk_forward": walk,
        "metric": metric,
    }


def _metric(options: SweepOptions, kept: Mapping[str, Any], plan: RunPlan) -> str:
    """Returns the metric that ranks variants. Raises BadConfig for a metric that needs longer runs."""
    first, last = _span([each for each in plan.inputs if not each.is_detail])
    first, last = max(first, plan.start or first), min(last, plan.end or last)
    span = last - first
    if options.walk_forward:  # a run covers one window
        span = min(span, *parse_walk(options.walk_forward)[:2])
    if options.metric is None:
        return str(kept.get("metric") or ("sharpe" if span >= DAY else "return"))
    if options.metric in PER_YEAR and span < DAY:
        raise BadConfig(
            f"{options.metric} needs a day of data, and a run covers {rough_duration(span)}",
            location="--metric",
            todo="rank by return or pnl",
        )
    return options.metric


def _reference(strategy: type[Strategy], folder: Path) -> str:
    """Returns a reference by which other processes load the class: its file, its module, or its text saved in
    `folder`."""
    module = sys.modules.get(strategy.__module__)
    file = getattr(module, "__file__", None)
    # In a package files import each other by relative names.
    is_importable = getattr(module, "__package__", None) and strategy.__module__ != "__main__"
    if is_importable:
        return f"{strategy.__module__}:{strategy.__name__}"
    if strategy.__module__ != "__main__" and file and Path(file).is_file():
        return f"{Path(file).resolve()}:{strategy.__qualname__}"
    # A script's own file would run as a whole, its sweep included: only the class is extracted.
    text = module_text(strategy)
    target = folder / "source" / "strategy.py"
    if is_sweep(folder):
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            raise BadConfig(
                f"the sweep in {folder} had another source of {strategy.__name__}",
                location="--resume",
                todo="sweep into another folder",
            )
    else:
        private_folder(target.parent)
        target.write_text(text, encoding="utf-8")
    return f"{target}:{strategy.__name__}"


def begin_sweep(folder: Path, manifest: dict[str, Any], *, is_new: bool) -> None:
    """Write the manifest, or compare it with the existing one."""
    if is_new:
        if not (folder / "source").exists():
            keep_source(load_strategy(manifest["reference"]), private_folder(folder / "source"))
        make_private(folder)
        write_json(folder / MANIFEST, manifest)
        return
    kept = open_sweep(folder).facts
    # In JSON form: tuples become lists.
    wanted = json.loads(json.dumps(manifest))
    for name, words in _SAME.items():
        left, right = _comparable(name, kept), _comparable(name, wanted)
        if left != right:
            if name == "options":
                words += f": {_differences(left, right)}"
            raise BadConfig(
                f"the sweep in {folder} had {words}",
                location="--resume",
                todo="repeat the original command, or sweep into another folder",
            )
    write_json(folder / MANIFEST, {**kept, **{k: wanted[k] for k in ("reference", "tapes", "metric")}})


def _comparable(name: str, manifest: Mapping[str, Any]) -> Any:
    """Returns a part of a manifest for comparison. Options and detail data that an older manifest lacks get their
    defaults."""
    found: Any = manifest.get(name)
    if name == "options":
        return {**_DEFAULTS, **found}
    if name == "tapes":
        return [(each["last_sequence"], each["crc"], each.get("role", MARKET)) for each in found]
    return found


def _differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {left.get(name)}, now {right[name]}"
        for name in right
        if left.get(name) != right[name]
    )


def _mark(tape: TapeInput, last: int | None) -> dict[str, Any]:
    """Returns a tape with the last frame to read. last: that frame, if decided before."""
    with JournalReader(Path(tape.path)) as reader:
        end = reader.core.last_sequence if last is None else last
        reader.seek_sequence(max(end, 1))
        reader.next_frame()
        mark = {"path": tape.path, "last_sequence": end, "crc": reader.core.crc}
        return {**mark, "role": tape.role}


def _span(inputs: Sequence[Any]) -> tuple[int, int]:
    """Returns the times of the first and the last market event."""
    spans = []
    for each in inputs:
        with JournalReader(Path(each.path)) as reader:
            counts, _, first, last, _ = _core.inventory(reader.core)
        if any(counts.values()):
            spans.append((first, last))
    if not spans:
        raise BadInput("the data has no events", location="--data", todo="import it again")
    return min(first for first, _ in spans), max(last for _, last in spans)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file atomically and durably."""
    write_durably(path, json.dumps(value, indent=1, allow_nan=False) + "\n")

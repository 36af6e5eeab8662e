"""Export a run as SQL tables (`onetape analyze`).

Events come from the run's tapes, decisions, orders and fills from its own journal; the robot's state
after each step from replaying the run frame by frame.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.engine.incarnations import Life, incarnations_of
from onetape.engine.plan import RunPlan, read_plan
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.model.errors import BadConfig, BadInput, NotAvailable, ProcessDown
from onetape.replay.repeating import (
    Watching,
    check_inputs,
    instrument_overrides,
    repeat,
    repeat_incarnations,
    strategy_of,
)
from onetape.replay.repetition import recording_of
from onetape.replay.robot_state import state_of
from onetape.report.run import silent_state
from onetape.security.secrets import read_secret
from onetape.store.analysis import ParquetTables, Sink, SqlTables
from onetape.store.analysis_rows import OWN, Rows
from onetape.store.database import Database
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["analyze_pair", "analyze_run"]

BATCH: Final = 5000  # records between two writes
LOOK_S: Final = 0.1  # poll interval of --follow
_SECRET: Final = ("env:", "file:", "fd:")

Progress = Callable[[float, float | None], None]


def analyze_run(
    run: Path,
    *,
    db: str = "",
    prefix: str = "",
    parquet: Path | None = None,
    states: bool = True,
    follow: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a run's tables; returns table -> number of rows. `states` is None without states, `no_states` has the
    reason. A repeated export replaces the run's rows. db: a URL, or env:NAME or file:PATH with the URL. Raises
    BadInput for a folder that is no run, and as Database, SqlTables, ParquetTables."""
    journal = run / "journal"
    if not is_tape(journal):
        raise BadInput(f"{run} is not a run", location="RUN", todo="name a run or its folder")
    if not db and parquet is None:
        raise BadConfig("the target is missing", location="onetape analyze", todo="give --db URL or --parquet DIR")
    if follow and not db:
        raise NotAvailable("--follow cannot write Parquet files", location="--follow", todo="give --db URL")
    counts: dict[str, Any] = {}
    if db:
        database = Database(_url(db))
        try:
            tables = SqlTables(database, prefix)
            if follow:
                _follow(run, tables, progress)
            with database.transaction():
                tables.forget(run.name)
                counts = _whole(run, tables, states=states, progress=progress)
        except database.errors as error:
            said = str(error).strip().splitlines() or ["no reason"]
            raise ProcessDown(f"the database refuses: {said[0]}", location="--db") from error
        finally:
            database.close()
    if parquet is not None:
        files = ParquetTables(parquet)
        try:
            counts = _whole(run, files, states=states, progress=progress)
        finally:
            files.close()
    return {"run": run.name, **counts, "parquet": str(parquet) if parquet else None}


def analyze_pair(
    run_a: Path, run_b: Path, *, db: str, prefix: str = "", states: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Write both runs into one database, and compare their decisions and fills by number; returns `runs` as
    `analyze_run`, `compared` as SqlTables. Raises BadConfig for two runs of one name, and as `analyze_run`."""
    if run_a.name == run_b.name:
        raise BadConfig(f"both are called {run_a.name}", location="RUN", todo="rename the folder of one of them")
    if not db:
        raise BadConfig("two runs are compared in a database", location="--db", todo="give --db URL")
    rows = [analyze_run(run, db=db, prefix=prefix, states=states, progress=progress) for run in (run_a, run_b)]
    database = Database(_url(db))
    try:
        compared = SqlTables(database, prefix).compared(run_a.name, run_b.name)
    finally:
        database.close()
    return {"runs": rows, "compared": compared}


def _url(db: str) -> str:
    """Returns the database URL, also from env:NAME or file:PATH, which keeps passwords off the command line."""
    return read_secret(db, os.environ).reveal() if db.startswith(_SECRET) else db


# --- a finished run -------------------------------------------------------------------------------


def _whole(run: Path, sink: Sink, *, states: bool, progress: Progress | None) -> dict[str, Any]:
    counts: dict[str, Any] = dict.fromkeys(("events", "decisions", "orders", "fills"), 0)
    plan, facts = read_plan(run) if (run / "run.toml").is_file() else (None, {})
    incarnations = incarnations_of(run / "journal") if plan and plan.live else []
    is_over = plan is not None and (not incarnations or incarnations[-1].taken > 0)
    rows = _Rows(run.name, sink, counts, progress)
    for number, each in enumerate(plan.inputs if plan else ()):
        first, last = each.first_sequence, each.last_sequence
        if incarnations and not number:  # a gateway's tape begins long before the run
            first, last = incarnations[0].position + 1, max(x.taken or x.reached for x in incarnations)
        if last:
            rows.tape(f"input{number}", Path(each.path), first, last)
    rows.tape(OWN, run / "journal", silent=silent_state(facts) if is_over else "")
    reason = "states were not requested"
    counts["states"] = None
    if states:
        reason = _why_no_states(run, plan, incarnations)
        if plan is not None and not reason:
            counts["states"] = _states(run, plan, incarnations, sink, progress)
    counts["no_states"] = reason or None
    name = plan.strategy if plan else ""
    row = [run.name, name, plan.kind if plan else "", time.time_ns(), int(is_over)]
    sink.add("runs", [row])
    return counts


@dataclass(frozen=True, slots=True)
class _Rows:
    """Passes the rows of a run to a sink, and counts those of each table."""

    run: str
    sink: Sink
    counts: dict[str, Any]
    progress: Progress | None

    def tape(self, name: str, path: Path, first: int = 0, last: int = 0, *, silent: str = "") -> None:
        """Export frames first to last of a tape; 0: all. silent: state of orders without events on a complete tape,
        "": unknown."""
        if not is_tape(path):
            raise BadInput(f"the tape {path} is missing", location="run.toml", todo="put it back")
        with JournalReader(path) as reader:
            if first > 1:
                reader.seek_sequence(first)
            rows = Rows(self.run, name, reader)
            for count, record in enumerate(reader, 1):
                if last and record.sequence > last:
                    break
                rows.take(record)
                if count % BATCH == 0:
                    self.write(rows)
            if silent:
                rows.ended(silent)
            self.write(rows)

    def write(self, rows: Rows) -> None:
        for table, made in rows.made.items():
            self.sink.add(table, made)
            self.counts[table] = self.counts.get(table, 0) + len(made)
            made.clear()
        self.sink.put_orders(self.run, rows.changed)
        rows.changed.clear()
        self.counts["orders"] = max(self.counts["orders"], rows.orders)
        if self.progress is not None:
            self.progress(self.counts["events"], None)


# --- a running run --------------------------------------------------------------------------------


def _follow(run: Path, tables: SqlTables, progress: Progress | None) -> None:
    """Keep the tables current with the run's own tape until its writer has closed it, or Ctrl-C."""
    counts: dict[str, Any] = dict.fromkeys(("events", "decisions", "orders", "fills"), 0)
    with JournalReader(run / "journal") as reader:
        rows, kept = Rows(run.name, OWN, reader), _Rows(run.name, tables, counts, progress)
        with tables.database.transaction():
            tables.forget(run.name)
            tables.add("runs", [[run.name, "", "", time.time_ns(), 0]])
        try:
            while True:
                alive = reader.writer_alive  # read this first: frames written afterwards are read below
                seen = 0
                for seen, record in enumerate(reader, 1):
                    rows.take(record)
                    if seen % BATCH == 0:
                        break
                if seen:
                    with tables.database.transaction():
                        kept.write(rows)
                elif not alive:
                    return
                else:
                    time.sleep(LOOK_S)
        except KeyboardInterrupt:
            return


# --- states ---------------------------------------------------------------------------------------


def _why_no_states(run: Path, plan: RunPlan | None, incarnations: list[Life]) -> str:
    if plan is None or not (incarnations or all(each.last_sequence for each in plan.inputs)):
        return "the run is still active, or ended without a complete record"
    if not (run / "source").is_dir():
        return "the run has no saved source"
    return ""


def _states(run: Path, plan: RunPlan, incarnations: list[Life], sink: Sink, progress: Progress | None) -> int:
    """Write one row for each step that changed the state; returns their number. seq: frames taken so far, over all
    incarnations."""
    rows: list[list[Any]] = []
    last, count, seq = b"", 0, -1
    life: Session | None = None
    before = 0  # frames of earlier incarnations

    def note(session: Session) -> None:
        nonlocal last, count, seq, life, before
        if session is not life:
            life, before = session, max(seq, 0)
        body = msgspec.json.encode(state_of(session), enc_hook=str)
        if body == last:
            return
        last = body
        count += 1
        # The first row of an incarnation is its state before its first frame.
        frames = seq = max(before + session.loop.counters()["frames"], seq + 1)
        rows.append([run.name, frames, f"state:{frames}", session.loop.now, body.decode()])
        if len(rows) >= BATCH:
            sink.add("states", rows)
            rows.clear()
            if progress is not None:
                progress(frames, None)

    strategy, journal = strategy_of(run, plan), run / "journal"
    spec, watching = RunSpec(plan, strategy, instruments=instrument_overrides(run)), Watching(each=note)
    if incarnations:
        repeat_incarnations(run, incarnations, spec, watching=watching)
    else:
        check_inputs(plan)
        repeat(recording_of(spec, journal), watching=watching)
    sink.add("states", rows)
    return count

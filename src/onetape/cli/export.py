"""Provide `onetape export`: a tape, or a run, as tables; a year's accounting; figures for the public."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb
from onetape.cli.records import of_records
from onetape.model.errors import BadInput, UsageError
from onetape.model.time import parse_duration

FIGURES = ("equity", "days", "symbols", "strategies")  # of `recorder.public`, which is imported late


@verb(
    "export",
    example="""
    onetape export market.tape --format parquet --out tables
    onetape export monday --format csv --out monday-tables
    onetape export accounting --year 2026 --out books
    onetape export public --out site --figures days,symbols
    onetape export public --out s3://bucket/results
    """,
)
@click.argument("tape", metavar="TAPE|RUN|accounting|public", shell_complete=runs)
@click.option(
    "--format", "form", type=click.Choice(["parquet", "csv", "jsonl"]), help="Format of the tables of a tape or a run."
)
@click.option(
    "--out", required=True, metavar="DIR", help="A folder; for public also s3://BUCKET/PREFIX, with the keys of [s3]."
)
@click.option("--year", type=click.IntRange(1970, 2200), metavar="Y", help="accounting: the year.")
@click.option("--delay", default="1m", show_default=True, metavar="AGE", help="public: minimum age of the figures.")
@click.option(
    "--figures", default=",".join(FIGURES[:3]), show_default=True, metavar="A,B", help="public: figures to publish."
)
def command(shell: Shell, tape: str, form: str | None, out: str, year: int | None, delay: str, figures: str) -> Answer:
    """Write a tape, a run, a year's accounting or public figures as files. A tape: one table for each event type.

    A run: one table for each part of its report (fills, orders, equity, statistics, days, months,
    drawdowns, symbols, stress), and report.json.

    accounting: a year's fills, fees, funding, transfers and lots (first in first out, and by average
    cost), as CSV. public: equity, days and results by symbol, and by strategy where that is named, as JSON and a page.
    """
    if out.startswith("s3://") and tape != "public":
        raise UsageError("only public figures can go to a bucket", location="--out", todo="name a folder")
    if tape == "accounting":
        if year is None:
            raise UsageError("the year is missing", location="onetape export accounting", todo="add --year 2026")
        value = of_records(shell, "onetape.recorder.accounting", "accounting", year=year, out=Path(out))
        return Answer(value, rows(value))
    if tape == "public":
        chosen = [each.strip() for each in figures.split(",")]
        if not set(chosen) <= set(FIGURES):
            raise UsageError(
                f"no such figures: {figures}", location="--figures", todo=f"choose from {', '.join(FIGURES)}"
            )
        if out.startswith("s3://"):
            writer = load("onetape.recorder.object_store", "object_writer", what="the exporter")
            write = writer(shell.config, out, environ=os.environ, folder=shell.config_folder)
        else:
            write = load("onetape.recorder.public", "file_writer", what="the exporter")(Path(out))
        wanted = {"write": write, "now": time.time_ns(), "delay": parse_duration(delay), "figures": chosen}
        value = {"out": out, **of_records(shell, "onetape.recorder.public", "public", **wanted)}
        return Answer(value, rows(value))
    if form is None:
        raise UsageError("the format is missing", location="onetape export", todo="add --format parquet, csv or jsonl")
    run = shell.run_path(tape, BadInput)
    if (run / "run.toml").is_file():
        open_run = load("onetape.report.run", "open_run", what="the exporter")
        save_run = load("onetape.report.run", "save_run", what="the exporter")
        value = plain(save_run(open_run(run), Path(out), format=form))
        return Answer(value, rows(value))
    export_tape = load("onetape.data.export", "export_tape", what="the exporter")
    progress = shell.progress.of("events")
    value = plain(export_tape(Path(tape), format=form, out=Path(out), progress=progress))
    return Answer(value, rows(value))

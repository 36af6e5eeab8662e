"""`onetape export`: a tape, or a run, as tables."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb


@verb(
    "export",
    example="""
    onetape export market.tape --format parquet --out tables
    onetape export monday --format csv --out monday-tables
    """,
)
@click.argument("tape", metavar="TAPE|RUN", shell_complete=runs)
@click.option("--format", "form", type=click.Choice(["parquet", "csv", "jsonl"]), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR")
def command(shell: Shell, tape: str, form: str, out: Path) -> Answer:
    """Write one table for each event type of a tape.

    Of a run: one for each part of its report (fills, orders, equity, statistics, days, months,
    drawdowns, symbols, stress), and report.json.
    """
    run = shell.run_path(tape)
    if (run / "run.toml").is_file():
        open_run = load("onetape.report.run", "open_run", what="the exporter")
        save_run = load("onetape.report.saving", "save_run", what="the exporter")
        value = plain(save_run(open_run(run), out, format=form))
        return Answer(value, rows(value))
    export_tape = load("onetape.data.export", "export_tape", what="the exporter")
    progress = shell.progress.of("events")
    value = plain(export_tape(Path(tape), format=form, out=out, progress=progress))
    return Answer(value, rows(value))

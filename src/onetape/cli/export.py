"""`onetape export`: a tape as tables."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, load, plain, rows, verb


@verb("export", example="onetape export market.tape --format parquet --out tables")
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["parquet", "csv", "jsonl"]), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR")
def command(shell: Shell, tape: Path, form: str, out: Path) -> Answer:
    """Write one table for each event type of a tape."""
    export_tape = load("onetape.data.export", "export_tape", what="the exporter")
    with shell.progress("export") as progress:
        value = plain(export_tape(tape, format=form, out=out, progress=progress))
    return Answer(value, rows(value))

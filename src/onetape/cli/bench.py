"""`onetape bench`: the figures of this machine, from the project's own bench folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import NotAvailable, UsageError

UNKNOWN = 2  # exit code of bench/run.py for a figure that there is not


@verb("bench", example="onetape bench journal --runs 5")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
def command(shell: Shell, names: tuple[str, ...], runs: int) -> Answer:
    """Measure the figures (or those named) several times: median, least and most."""
    script = Path(__file__).resolve().parents[3] / "bench" / "run.py"
    if not script.is_file():
        raise NotAvailable(
            "the measuring programs are in the source tree, not in an installed package",
            todo="clone the project and run `make bench`",
        )
    shell.progress.end()  # the programs say themselves how far they are
    call = [sys.executable, str(script), "--runs", str(runs), "--json", *names]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    if done.returncode == UNKNOWN:
        raise UsageError(
            f"no such figure: {', '.join(names)}", location="bench", todo="those that there are stand above"
        )
    import json

    try:
        value = json.loads(done.stdout)
    except ValueError as error:
        raise NotAvailable("a measuring program failed", location=str(script)) from error
    return Answer(value, value["table"], 0 if done.returncode == 0 else 1)

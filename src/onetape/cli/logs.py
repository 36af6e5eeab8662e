"""Provide `onetape logs`: log lines of processes and strategies."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.output import to_json, write_line
from onetape.model.shown import line_shown


@verb("logs", example="onetape logs mm --follow")
@click.argument("name", required=False, default="")
@click.option("-n", "--count", type=click.IntRange(min=0), default=100, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Print new lines as they arrive, until Ctrl-C.")
def command(shell: Shell, name: str, count: int, follow: bool) -> Answer:
    """Show log lines of processes, the newest last; with --json one object a line.

    NAME is a process as in `onetape status`, for a robot also its bare name [default: all].
    Logs of strategies are read from the tapes of their runs.
    """
    log_lines = load("onetape.supervisor.logs", "log_lines", what="logs")
    try:
        for row in log_lines(shell.home, shell.running_config, name, count=count, follow=follow):
            shell.progress.end()  # the first is found
            write_line(to_json(row) if shell.json else line_shown(_line(row)))
    except KeyboardInterrupt:  # and SIGTERM
        if not follow:
            raise
    return Answer(None)


def _line(row: dict[str, Any]) -> str:
    more = "".join(f"  {name}={value}" for name, value in row.get("fields", {}).items())
    return f"{row['time']}  {row['process']:<16} {row['level']:<8} {row['text']}{more}"

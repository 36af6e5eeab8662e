"""`onetape alerts`: what was told, and whether telling works."""

from __future__ import annotations

import os
from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, load, moment, rows, verb


@verb("alerts", example="onetape alerts --last 20\nonetape alerts test")
@click.argument("action", type=click.Choice(["list", "test"]), default="list", metavar="[list|test]")
@click.option("--last", type=click.IntRange(1), default=50, help="How many [default: 50].")
def command(shell: Shell, action: str, last: int) -> Answer:
    """Show the newest alerts of this home; `test` sends one to the sinks of [notify] and waits.

    Types: process, clock, disk, gateway, risk. Severities: info, warn, critical.
    """
    if action == "test":
        send = load("onetape.supervisor.alerts", "send_test", what="alerts")
        path = shell.config_path
        folder = (path.parent if path is not None else Path()).absolute()
        sent = send(shell.config, os.environ, folder)
        return Answer(sent, rows(sent))
    found = load("onetape.supervisor.alerts", "past_alerts", what="alerts")(shell.home, last)
    lines = [
        f"{moment(each['time'])}  {each['severity']:<8}  {each['type']:<7}  {each['subject']}  {each['message']}"
        for each in found
    ]
    return Answer(found, "\n".join(lines) or "none")

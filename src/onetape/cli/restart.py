"""`onetape restart`: one process."""

from __future__ import annotations

import click

from onetape.cli.complete import processes
from onetape.cli.frame import Answer, Shell, load, verb


@verb("restart", example="onetape restart robot:mm")
@click.argument("name", shell_complete=processes)
def command(shell: Shell, name: str) -> Answer:
    """Stop one process and start it again; returns when it runs. One that failed is tried anew.

    A robot starts as its configuration says now, and what is different is shown; where it could not
    start, nothing is stopped.
    """
    restart = load("onetape.supervisor.client", "restart", what="the supervisor")
    name = shell.process(name)
    done = restart(shell.home, name, shell.config, shell.config_path, doing=shell.progress.doing)
    text = f"{name} runs, process {done['pid']}"
    changed = [f"  {key}: {was} -> {now}" for key, (was, now) in done["changed"].items()]
    return Answer(done, "\n".join([text, *changed]))

"""`onetape restart`: one process."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, load, verb


@verb("restart", example="onetape restart robot:mm")
@click.argument("name")
def command(shell: Shell, name: str) -> Answer:
    """Stop one process and start it again; returns when it runs. One that failed is tried anew."""
    restart = load("onetape.services.supervisor_client", "restart", what="the supervisor")
    told = restart(shell.home, name)
    return Answer(told, f"{name} runs, process {told['pid']}")

"""`onetape up`: all processes of the configuration."""

from __future__ import annotations

import sys
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.status import table
from onetape.model.shown import shown


@verb("up", example="onetape up\nonetape up --foreground\nonetape up --minimal")
@click.option("--foreground", is_flag=True, help="Stay here until Ctrl-C, which stops all.")
@click.option("--single", is_flag=True, help="All in one process: least memory, shared fate.")
@click.option("--minimal", is_flag=True, help="The fewest processes that trade safely.")
def command(shell: Shell, foreground: bool, single: bool, minimal: bool) -> Answer:
    """Start the processes of the configuration under a supervisor, and wait until all run.

    Simulated exchanges, a gateway for each account, robots; one that ends is started again. What
    could not start is named, and the rest runs. --minimal: exchanges, gateways, robots with the
    streams that they hear, and the guardian, also where the configuration has none.
    """
    config, path = shell.config, shell.config_path
    if foreground:
        front = load("onetape.supervisor.client", "run_in_front", what="the supervisor")

        def ready(status: dict[str, Any]) -> None:
            shell.progress.end()
            print(shown(table(status) + _pages(shell, status)), file=sys.stderr, flush=True)

        front(config, path, shell.home, ready, single=single, is_minimal=minimal)
        return Answer({"running": False}, "all stopped")
    bring_up = load("onetape.supervisor.client", "bring_up", what="the supervisor")
    doing, say = shell.progress.doing, shell.progress.say
    state = bring_up(config, path, shell.home, single=single, is_minimal=minimal, doing=doing, say=say)
    said = "runs already, nothing was changed\n" if state["already"] else ""
    said += "".join(f"{note}\n" for note in state["notes"])
    return Answer(state, said + table(state) + _pages(shell, state))


def _pages(shell: Shell, state: dict[str, Any]) -> str:
    """Says where the pages are, and the link that lets one browser in."""
    if not state.get("dashboard"):
        return ""
    link = load("onetape.dashboard.options", "link_of", what="the pages")(shell.home)
    return f"\npages at {state['dashboard']}; this link lets one browser in, once:\n{link}"

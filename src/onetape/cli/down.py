"""`onetape down`: stops what `up` has started."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, load, verb


@verb("down", example="onetape down")
def command(shell: Shell) -> Answer:
    """Stop all processes in reverse order: robots cancel their orders, then gateways, then venues.

    Nothing that runs is no error.
    """
    bring_down = load("onetape.supervisor.client", "bring_down", what="the supervisor")
    done = bring_down(shell.home, shell.progress.doing)
    text = f"stopped {', '.join(done['stopped'])}" if done["stopped"] else "nothing runs"
    return Answer({"running": False, **done}, text)

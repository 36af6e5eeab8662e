"""`onetape replay`: a recorded run once more."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, load, plain, verb
from onetape.model.errors import Divergence


@verb(
    "replay",
    example="""
    onetape replay monday --verify
    onetape replay monday --source strategies/cross.py
    """,
)
@click.argument("run")
@click.option("--verify", is_flag=True, help="Compare every action and state hash.")
@click.option("--until", metavar="SEQ|TIME", help="Stop there.")
@click.option(
    "--source", type=click.Path(path_type=Path), metavar="PATH", help="Edited code to try instead."
)
def command(shell: Shell, run: str, verify: bool, until: str | None, source: Path | None) -> Answer:
    """Run a recorded run again from its tapes, with the source kept in the run.

    With --verify or --source the first differing action is named, and the exit code is 4.
    """
    replay_run = load("onetape.services.replay", "replay_run", what="replay")
    with shell.progress("replay") as progress:
        value = plain(
            replay_run(
                shell.run_path(run), verify=verify, until=until, source=source, progress=progress
            )
        )
    error = None
    if value.get("divergences") and (verify or source is not None):
        error = Divergence(
            f"{value['divergences']} actions differ",
            where=f"the first: {value.get('first_divergence')}",
        )
    return Answer.of_check(value, error)

"""Provide `onetape variants`: a live robot beside its paper variants."""

from __future__ import annotations

import click

from onetape.cli.complete import processes
from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

COLUMNS = (
    "robot",
    "variant",
    "params",
    "orders",
    "fills",
    "equity",
    "pnl",
    "drawdown",
    "behind_live",
    "compared",
    "differing",
)


@verb("variants", example="onetape variants mm")
@click.argument("robot", required=False, default="", metavar="[ROBOT]", shell_complete=processes)
def command(shell: Shell, robot: str) -> Answer:
    """Show the results of live robots and their variants on paper.

    `twin` is the robot itself on paper: where its orders and fills differ, live and paper have
    diverged. The others are compared with the twin.
    """
    found = load("onetape.replay.variants_view", "variants_of", what="variants")(
        shell.home, shell.running_config, robot.removeprefix("robot:")
    )
    text = listing(found, COLUMNS, nothing="no robot with variants runs")
    parted = [row for row in found if row["variant"] == "twin" and row["first_difference"]]
    for row in parted:
        text += f"\n{row['robot']}: live and twin part at {row['first_difference']}"
    return Answer(found, text)

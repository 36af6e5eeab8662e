"""`onetape parity`: two runs, order by order."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, load, plain, verb
from onetape.model.errors import Divergence


@verb("parity", example="onetape parity monday monday-backtest --mode orders --tolerance 5ms")
@click.argument("run_a")
@click.argument("run_b")
@click.option(
    "--mode",
    type=click.Choice(["decisions", "orders", "money"]),
    default="orders",
    show_default=True,
)
@click.option("--tolerance", metavar="T", help="Times within this are equal [default: exact].")
def command(shell: Shell, run_a: str, run_b: str, mode: str, tolerance: str | None) -> Answer:
    """Compare two runs and name the first difference; exit 4 if there is one."""
    compare = load("onetape.services.parity", "compare", what="parity")
    value = plain(
        compare(shell.run_path(run_a), shell.run_path(run_b), mode=mode, tolerance=tolerance)
    )
    error = None
    if value["differing"]:
        error = Divergence(
            f"{value['differing']} of {value['compared']} differ",
            where=f"the first: {value.get('first_difference')}",
        )
    return Answer.of_check(value, error)

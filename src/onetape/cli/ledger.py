"""`onetape ledger`: where the money came from and went."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.cli.listing import listing
from onetape.cli.record_options import recorded, window

COLUMNS = ("key", "currency", "realized", "traded", "fees", "funding", "transfers", "net")


@verb("ledger", example="onetape ledger --since 2026-11-01 --by symbol\nonetape ledger --by day --json")
@window
@click.option(
    "--by",
    type=click.Choice(["symbol", "strategy", "day", "account"]),
    default="account",
    show_default=True,
    help="What a row is of.",
)
def command(shell: Shell, since: int, until: int, by: str) -> Answer:
    """Show what was realized, fees by asset, funding and transfers: exact, and equal to the tapes.

    traded: of spot, what purchases and sales moved, coins at what they had cost; it is in no net.
    """
    found = recorded(shell, "ledger", by=by, since=since, until=until)
    shown = [{**row, "fees": " ".join(f"{fee} {asset}" for asset, fee in row["fees"].items())} for row in found]
    return Answer(found, listing(shown, COLUMNS, nothing="no money has moved"))

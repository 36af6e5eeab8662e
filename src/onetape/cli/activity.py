"""`onetape activity`: what was sent and what came of it."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.cli.listing import listing
from onetape.cli.record_options import recorded, window

COLUMNS = ("key", "sent", "filled", "ratio", "canceled", "denied", "fills", "volume")


@verb("activity", example="onetape activity --since today --by hour\nonetape activity --by symbol --json")
@window
@click.option(
    "--by",
    type=click.Choice(["hour", "day", "symbol", "strategy", "account"]),
    default="account",
    show_default=True,
    help="What a row is of.",
)
def command(shell: Shell, since: int, until: int, by: str) -> Answer:
    """Show orders, the share of them that was filled, cancels, fills and volume, by whole hours (UTC)."""
    found = recorded(shell, "activity", by=by, since=since, until=until)
    shown = [
        {**row, "volume": " ".join(f"{amount} {asset}" for asset, amount in row["volume"].items())} for row in found
    ]
    return Answer(found, listing(shown, COLUMNS, nothing="no order was made"))

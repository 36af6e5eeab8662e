"""`onetape equity`: equity by the minute."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.cli.listing import listing
from onetape.cli.record_options import recorded, window

COLUMNS = {
    "account": ("ts", "account", "currency", "equity", "unrealized", "drawdown"),
    "strategy": ("ts", "account", "subaccount", "strategy", "currency", "equity", "unrealized", "drawdown"),
    "all": ("ts", "currency", "equity", "unrealized", "drawdown"),
}


@verb("equity", example="onetape equity --since 2026-11-22\nonetape equity --by strategy")
@window
@click.option("--by", type=click.Choice(list(COLUMNS)), default="account", show_default=True, help="What a row is of.")
def command(shell: Shell, since: int, until: int, by: str) -> Answer:
    """Show the equity of accounts, strategies or all at each full minute, and now; the newest last."""
    found = recorded(shell, "equity", by=by, since=since, until=until)
    return Answer(found, listing(found, COLUMNS[by], nothing="nothing was recorded"))

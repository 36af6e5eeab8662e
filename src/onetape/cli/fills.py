"""`onetape fills`: what was traded."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

COLUMNS = ("ts_event", "account", "robot", "symbol", "side", "qty", "price", "fee", "liquidity")


@verb("fills", example="onetape fills --last 20")
@click.option("--last", type=click.IntRange(min=0), default=0, metavar="N", help="Only the newest N.")
def command(shell: Shell, last: int) -> Answer:
    """Show the fills of all accounts, the newest last."""
    found = load("onetape.gateway.account_views", "fills", what="accounts")(shell.home, shell.config, last=last)
    return Answer(found, listing(found, COLUMNS, nothing="nothing was traded"))

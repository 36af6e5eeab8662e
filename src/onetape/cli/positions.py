"""`onetape positions`: what is held."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

COLUMNS = ("account", "symbol", "side", "qty", "entry_price", "unrealized", "realized")


@verb("positions", example="onetape positions --json")
def command(shell: Shell) -> Answer:
    """Show the positions of all accounts, at average cost of their fills."""
    found = load("onetape.gateway.account_views", "positions", what="accounts")(shell.home, shell.config)
    return Answer(found, listing(found, COLUMNS, nothing="no position"))

"""`onetape orders`: what works."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

COLUMNS = ("account", "robot", "symbol", "side", "type", "price", "qty", "filled", "state", "tag")


@verb("orders", example="onetape orders --json")
def command(shell: Shell) -> Answer:
    """Show the working orders of all accounts, as the gateways' journals have them."""
    found = load("onetape.gateway.account_views", "orders", what="accounts")(shell.home, shell.config)
    return Answer(found, listing(found, COLUMNS, nothing="no order works"))

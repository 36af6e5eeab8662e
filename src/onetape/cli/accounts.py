"""`onetape accounts`: balances and sub-accounts."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

COLUMNS = ("venue", "account", "currency", "total", "available", "locked", "data_age_ms", "alive")


@verb("accounts", example="onetape accounts --json")
def command(shell: Shell) -> Answer:
    """Show the balances of all accounts, and how they are divided."""
    found = load("onetape.services.account_balances", "balances", what="accounts")(
        shell.home, shell.config
    )
    return Answer(found, listing(found, COLUMNS, nothing="no balance is known (onetape up)"))

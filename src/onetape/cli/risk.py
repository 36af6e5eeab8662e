"""`onetape risk`: exposure of accounts."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, verb
from onetape.cli.listing import listing
from onetape.cli.record_options import recorded

COLUMNS = ("account", "currency", "equity", "delta", "utilization", "leverage", "unrealized", "drawdown")


@verb("risk", example="onetape risk --json")
def command(shell: Shell) -> Answer:
    """Show by account: net exposure, use of margin, leverage, open profit, drawdown."""
    found = recorded(shell, "risk")
    return Answer(found, listing(found, COLUMNS, nothing="nothing was recorded"))

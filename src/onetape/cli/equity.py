"""`onetape equity`: equity by the minute."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, verb
from onetape.cli.listing import listing
from onetape.cli.record_options import recorded, window

COLUMNS = ("ts", "account", "currency", "equity", "unrealized", "drawdown")


@verb("equity", example="onetape equity --since 2026-11-22")
@window
def command(shell: Shell, since: int, until: int) -> Answer:
    """Show the equity of accounts at each full minute, and now; the newest last."""
    found = recorded(shell, "equity", since=since, until=until)
    return Answer(found, listing(found, COLUMNS, nothing="nothing was recorded"))

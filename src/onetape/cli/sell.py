"""`onetape sell`: an order by hand."""

from __future__ import annotations

from onetape.cli.by_hand import side_verb

command = side_verb(
    "sell",
    """Sell QTY of SYMBOL by hand, as the operator, through the checks of a robot's order.

    Waits a few seconds for the venue's word. Exit code 5: a check refused it, and the answer says
    which. --dry-run shows each check with what it found and its limit, and sends nothing.
    """,
)

"""`onetape trips`: round trips."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, verb
from onetape.cli.listing import listing
from onetape.cli.record_options import recorded, window

COLUMNS = (
    "ts_open",
    "duration_ns",
    "account",
    "strategy",
    "symbol",
    "side",
    "qty",
    "entry_price",
    "exit_price",
    "cost",
    "peak",
    "net",
    "currency",
)


@verb("trips", example="onetape trips --since 2026-11-01")
@window
def command(shell: Shell, since: int, until: int) -> Answer:
    """Show positions from flat to flat: size, prices, peak, cost, fees, net result."""
    found = recorded(shell, "trips", since=since, until=until)
    return Answer(found, listing(found, COLUMNS, nothing="no position was closed"))

"""`onetape stops`: what protects positions."""

from __future__ import annotations

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

COLUMNS = ("account", "symbol", "side", "qty", "protected", "distance", "trigger", "stop", "state")


@verb("stops", example="onetape stops --json")
def command(shell: Shell) -> Answer:
    """Show the stops that the guardian has placed for each position, what share of it they
    protect, and its take-profits, whose distances have a plus.

    `verified_age_ms` is how long ago the venue itself said that it has them all; null: it has not
    since the guardian began, or no guardian runs.
    """
    found = load("onetape.guardian.stops_view", "stops", what="stops")(shell.home, shell.config)
    rows = []
    for each in found:
        about = {name: each[name] for name in COLUMNS[:5]}
        levels = [{**level, "stop": level["qty"]} for level in each["levels"] + each["targets"]] or [{}]
        rows += [{**dict.fromkeys(COLUMNS, ""), **level, **about} for level in levels]
    return Answer(found, listing(rows, COLUMNS, nothing="no contracts are held, and no stop stands"))

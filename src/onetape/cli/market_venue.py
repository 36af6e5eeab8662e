"""Resolve the venue of a verb that reads a market: one of the configuration, a kind, or an address."""

from __future__ import annotations

import json
from typing import Any

from onetape.cli.frame import Shell
from onetape.model.errors import NotAvailable, ProcessDown, UsageError

__all__ = ["market_venue"]


def market_venue(shell: Shell, venue: str, exchange: str | None) -> Any:
    """Returns a `preflight.Target`. exchange: the REST address of a running simulated exchange. Raises UsageError,
    NotAvailable, BadConfig, ProcessDown."""
    from onetape.model.sections import VenueConfig
    from onetape.model.venue_kinds import VENUE_KINDS
    from onetape.preflight.configured import is_simulated
    from onetape.preflight.preflight import CHECKED, market_of
    from onetape.supervisor.child import ChildFiles

    configured = shell.config.venues.get(venue)
    kind = configured.kind if configured is not None else venue
    kind = next((each for each in CHECKED if each.partition("-")[0] == kind), kind)
    if kind not in CHECKED:
        if configured is None and not kind.startswith("ccxt:") and kind not in VENUE_KINDS:
            raise UsageError(f"no venue {venue!r}", location="VENUE", todo=f"choose from {', '.join(CHECKED)}")
        raise NotAvailable(
            f"the market of {kind} cannot be followed",
            location="VENUE",
            todo=f"use a venue of kind {', '.join(CHECKED)}",
        )
    if exchange is not None:
        return market_of(venue, VenueConfig(kind=kind, mode="sim", rest=exchange))
    if configured is None:
        return market_of(venue, VenueConfig(kind=kind, mode="live"))
    if not is_simulated(configured):
        return market_of(venue, configured)
    try:  # from our exchange's last ready message
        ready_line = json.loads(ChildFiles(shell.home, f"venue:{venue}").out.with_suffix(".ready").read_bytes())
    except (FileNotFoundError, ValueError):
        raise ProcessDown(f"venue:{venue} does not run", location=str(shell.home), todo="onetape up") from None
    return market_of(venue, VenueConfig(kind=kind, mode="sim", rest=ready_line["rest"], ws=ready_line["ws"]))

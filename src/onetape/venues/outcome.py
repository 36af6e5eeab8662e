"""The rows of a venue's table of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from onetape.model.errors import OnetapeError, VenueRejected
from onetape.orders.outcome import Outcome

__all__ = ["ErrorRow", "Outcome", "row_of"]


class ErrorRow(NamedTuple):
    """One error of a venue: its code, what a request that met it came to, our number for it, and
    the venue's text ({} where values stand)."""

    code: int | str
    outcome: Outcome
    error: type[OnetapeError]
    text: str


def row_of(table: Mapping[int | str, ErrorRow], code: int | str) -> ErrorRow:
    """The row of a code; VENUE_REJECTED and ambiguous for one that is not in the table."""
    return table.get(code) or ErrorRow(code, Outcome.AMBIGUOUS, VenueRejected, "")

"""What a venue's error says about the request that met it: the same three words at every venue.

definitive  the request was refused and changed nothing
ambiguous   it may have been carried out: nothing may be concluded before the venue has been asked
safe        it changed nothing and may be sent again as it is, after a wait where one is named
settled     what was asked for is so already: as good as done

A code that nobody has classed is ambiguous.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from onetape.model.errors import OnetapeError, VenueRejected

__all__ = ["ErrorRow", "Outcome", "row_of"]


class Outcome(StrEnum):
    """See the module."""

    DEFINITIVE = "definitive"
    AMBIGUOUS = "ambiguous"
    SAFE = "safe"
    SETTLED = "settled"


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

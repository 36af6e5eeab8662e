"""What a venue's answers and messages come to: rows of its table of errors, and what makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from onetape.model.errors import OnetapeError, OrderOutcomeUnknown, VenueRejected
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import StreamReport, VenueReport

__all__ = ["ErrorRow", "Outcome", "malformed", "row_of", "unreadable"]


class ErrorRow(NamedTuple):
    """One error of a venue: its code, what a request that met it came to, our number for it, and
    the venue's text ({} where values stand)."""

    code: int | str
    outcome: Outcome
    error: type[OnetapeError]
    text: str


def row_of(table: Mapping[int | str, ErrorRow], code: int | str) -> ErrorRow:
    """Returns the row of a code; VENUE_REJECTED and ambiguous for one that is not in the table."""
    return table.get(code) or ErrorRow(code, Outcome.AMBIGUOUS, VenueRejected, "")


def unreadable(error: Exception, status: int) -> Answer:
    """Returns an answer that makes no sense: what its request came to is not known."""
    code = OrderOutcomeUnknown.code if status >= 500 else VenueRejected.code
    text = f"an answer that makes no sense: {type(error).__name__} {error}"[:200]
    return Answer(Outcome.AMBIGUOUS, (), code, str(status), text)


def malformed(error: Exception) -> list[VenueReport]:
    """Returns a message of the account's stream that makes no sense."""
    return [StreamReport("malformed", f"{type(error).__name__}: {error}"[:200])]

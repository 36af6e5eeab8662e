"""Tables of a venue's errors with the outcome of each, and what an unreadable answer or message means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from onetape.model.errors import BY_NAME, OnetapeError, OrderOutcomeUnknown, VenueRejected
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import StreamReport, VenueReport

__all__ = ["ErrorRow", "Outcome", "error_table", "malformed", "row_of", "row_of_text", "unreadable"]


class ErrorRow(NamedTuple):
    """One error of a venue: its code, the outcome of the request, our number for it, and the venue's text ({} for
    values)."""

    code: int | str
    outcome: Outcome
    error: type[OnetapeError]
    text: str


def error_table(text: str) -> dict[int | str, ErrorRow]:
    """Parses lines of `outcome OUR_NAME: error | error`, with indented continuation lines. An error is a number and its
    text, or the beginning of a text; a trailing ` *` marks one that the venue's own documents do not have. Raises
    ValueError or KeyError for malformed lines."""
    found: dict[int | str, ErrorRow] = {}
    for line in text.strip().replace("\n    ", " | ").splitlines():
        head, _, errors = line.partition(": ")
        outcome, name = head.split()
        for each in errors.split(" | "):
            whole = each.removesuffix(" *")
            number, _, rest = whole.partition(" ")
            code, shown = (int(number), rest) if number.removeprefix("-").isdigit() else (whole, whole)
            if code in found:
                raise ValueError(f"two rows for {code!r}")
            found[code] = ErrorRow(code, Outcome(outcome), BY_NAME[name], shown)
    return found


def row_of(table: Mapping[int | str, ErrorRow], code: int | str) -> ErrorRow:
    """Returns the row of a code; VENUE_REJECTED, ambiguous, if the table does not have the code."""
    return table.get(code) or ErrorRow(code, Outcome.AMBIGUOUS, VenueRejected, "")


def row_of_text(table: Mapping[int | str, ErrorRow], text: str, code: int | str) -> ErrorRow:
    """Returns the row of the longest beginning of the text that the table has, else that of the code, as `row_of`."""
    begun = [each for each in table if isinstance(each, str) and text.startswith(each)]
    return row_of(table, max(begun, key=len) if begun else code)


def unreadable(error: Exception, status: int) -> Answer:
    """Returns the answer that stands for an unreadable one: the outcome of its request is unknown."""
    code = OrderOutcomeUnknown.code if status >= 500 else VenueRejected.code
    text = f"an answer that makes no sense: {type(error).__name__} {error}"[:200]
    return Answer(Outcome.AMBIGUOUS, (), code, str(status), text)


def malformed(error: Exception) -> list[VenueReport]:
    """Returns the report of an unreadable message of the account's stream."""
    return [StreamReport("malformed", f"{type(error).__name__}: {error}"[:200])]

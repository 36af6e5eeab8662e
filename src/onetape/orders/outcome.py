"""What a venue's answer says about the request that it answers: the same words at every venue.

done        it was carried out
definitive  it was refused and changed nothing
ambiguous   it may have been carried out: nothing is concluded before the venue has been asked
safe        it changed nothing and may be sent again as it is, after a wait where one is named
settled     what was asked for is so already: as good as done

A code that nobody has classed is ambiguous, and so is no answer at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onetape.orders.reports import VenueReport

__all__ = ["Answer", "Outcome"]


class Outcome(StrEnum):
    """Names what a request has come to, as the module's text defines it."""

    DONE = "done"
    DEFINITIVE = "definitive"
    AMBIGUOUS = "ambiguous"
    SAFE = "safe"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Answer:
    """Carries one answer, decoded. `code` is our number of the error (0: none), `venue_code` and `text` are the
    venue's; `retry_after` in ns; `cursor`: there is more, ask again from here."""

    outcome: Outcome
    reports: tuple[VenueReport, ...] = field(default=())
    code: int = 0
    venue_code: str = ""
    text: str = ""
    retry_after: int = 0
    not_found: bool = False  # the venue does not know the order that was asked for
    cursor: str = ""
    value: str = ""  # what some answers are: a stream's key, the venue's time

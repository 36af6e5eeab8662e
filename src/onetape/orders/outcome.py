"""The outcome of a request by the venue's answer, in the same words for every venue.

    done        it was carried out
    definitive  it was refused and changed nothing
    ambiguous   it may have been carried out: query the venue before any conclusion
    safe        it changed nothing and may be sent again unchanged, after a wait where one is named
    settled     the requested state holds already: as good as done

An unclassified code is ambiguous, and so is no answer at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from onetape.model.time import SECOND

if TYPE_CHECKING:
    from onetape.orders.reports import VenueReport

__all__ = ["Answer", "Outcome", "retry_after"]

WAIT_MAX: Final = 7 * 86_400 * SECOND  # the longest ban of an address is three days, Binance's


class Outcome(StrEnum):
    """The outcomes of a request, as defined above in this module."""

    DONE = "done"
    DEFINITIVE = "definitive"
    AMBIGUOUS = "ambiguous"
    SAFE = "safe"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, decoded. `code` is our number of the error (0: none), `venue_code` and `text` are the venue's;
    `retry_after` in ns; `cursor`: there is more, request again from there."""

    outcome: Outcome
    reports: tuple[VenueReport, ...] = field(default=())
    code: int = 0
    venue_code: str = ""
    text: str = ""
    retry_after: int = 0
    not_found: bool = False  # the venue does not have the queried order
    cursor: str = ""
    value: str = ""  # the result of some answers: a stream's key, the venue's time


def retry_after(headers: Mapping[str, str]) -> int:
    """Returns the wait in ns that an answer's headers request, at most a week; 0: none, or one that is no number of
    seconds."""
    text = headers.get("retry-after", "")
    return min(int(text[:9]) * SECOND, WAIT_MAX) if text.isascii() and text.isdigit() else 0

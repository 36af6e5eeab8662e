"""Counts differences between a venue's messages and its adapter's facts, by name.

Account messages are all checked, unless one with the same fields and words had no difference. Of market messages a
sample is enough, because a new field is in all messages of its kind. New differences are reported on the journal; the
status has all counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from onetape._core import json_outline
from onetape.model.errors import NotAvailable
from onetape.model.json_text import read_json
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer, Outcome
from onetape.venues.drift import Drift, Drifts, What
from onetape.venues.fact_tables import errors_of, facts_date, facts_of

__all__ = ["DriftWatch"]

FIRST: Final = 64  # messages of the market that are all checked
EACH: Final = 256  # then one message in this many
HTTP_STATUS_END: Final = 1000  # a smaller code is that of HTTP
OUTLINES_MAX: Final = 4096  # remembered kinds of account messages without a difference


class DriftWatch:
    """Counts differences between a venue's messages and its facts; a kind of venue without facts is not checked."""

    def __init__(self, kind: str, say: Callable[[HealthOut], None]) -> None:
        self._say = say
        self.facts_read = facts_date(kind)  # YYYY-MM-DD, "": there are none
        self._seen = 0
        self._drifts: Drifts | None = None
        self._outlines: set[int] = set()  # outlines of messages without a difference
        try:
            self._errors = errors_of(kind)
            self._drifts = Drifts(facts_of(kind))
        except NotAvailable:
            self._errors = {}

    @property
    def counts(self) -> dict[str, int]:
        """Returns the count of each difference, by name."""
        if self._drifts is None:
            return {}
        return {f"{each.what} {each.name}": each.times for each in self._drifts.rows()}

    def account(self, message: bytes) -> None:
        """Checks a message of the account's stream. Raises nothing: invalid JSON is counted elsewhere."""
        if self._drifts is None or (outline := json_outline(message)) in self._outlines:
            return
        before = self._drifts.noted_times
        self._tell(self._compared(message))
        if self._drifts.noted_times == before:  # nor has a later message with the same fields and words
            if len(self._outlines) >= OUTLINES_MAX:
                self._outlines.clear()
            self._outlines.add(outline)

    def market(self, message: bytes) -> None:
        self._seen += 1
        if self._seen > FIRST and self._seen % EACH:
            return
        if self._drifts is not None:
            self._tell(self._compared(message))

    def answer(self, answer: Answer) -> None:
        """Counts an answer whose error is not in the facts."""
        if self._drifts is None or answer.outcome is not Outcome.AMBIGUOUS:
            return  # a code that the error table does not have is ambiguous
        code = answer.venue_code
        if code.removeprefix("-").isdigit():
            if 0 <= int(code) < HTTP_STATUS_END:
                return
            is_listed = int(code) in self._errors
        elif answer.text[:1] == "E" and ":" in answer.text:
            group, _, rest = answer.text.partition(":")
            code = f"{group}:{rest.partition(':')[0]}"
            is_listed = answer.text in self._errors or code in self._errors
        elif code:  # an error of this venue is its text
            is_listed = any(isinstance(each, str) and answer.text.startswith(each) for each in self._errors)
        else:
            return
        if not is_listed:
            self._tell(self._drifts.noted(What.CODE, code))

    def _compared(self, message: bytes) -> list[Drift]:
        assert self._drifts is not None
        try:
            return self._drifts.message(read_json(message))
        except ValueError:
            return []

    def _tell(self, new: list[Drift]) -> None:
        for each in new:
            severity = "warning" if each.what is What.MISSING else "info"
            self._say(HealthOut("drift", "venue", f"{each.what} {each.name}", severity))

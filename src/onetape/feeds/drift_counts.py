"""What is seen of a venue that its adapter does not know: counted by name.

Every message of the account whose fields and words were not seen before, of the market one now and
then: a field that is new is in all messages of its kind. What is seen for the first time goes to the
journal, all counts are in the status.
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
from onetape.venues.fact_tables import errors_of, facts_of

__all__ = ["DriftWatch"]

FIRST: Final = 64  # messages of the market that are all looked at
EACH: Final = 256  # then one in so many
OUTLINES_MAX: Final = 4096  # of messages of the account that were as the facts have them


class DriftWatch:
    """Counts what a venue says otherwise than its facts have it; a kind without facts is not watched."""

    def __init__(self, kind: str, say: Callable[[HealthOut], None]) -> None:
        self._say = say
        self._seen = 0
        self._drifts: Drifts | None = None
        self._outlines: set[int] = set()  # outlines of messages that were as the facts have them
        try:
            self._errors = errors_of(kind)
            self._drifts = Drifts(facts_of(kind))
        except NotAvailable:
            self._errors = {}

    @property
    def counts(self) -> dict[str, int]:
        """Returns how often each drift was seen, by name."""
        if self._drifts is None:
            return {}
        return {f"{each.what} {each.name}": each.times for each in self._drifts.rows()}

    def account(self, message: bytes) -> None:
        """A message of the account's stream. Raises nothing: what is no JSON others count."""
        if self._drifts is None or (outline := json_outline(message)) in self._outlines:
            return
        before = self._drifts.noted_times
        self._tell(self._compared(message))
        if self._drifts.noted_times == before:  # and so is the next one of the same fields and words
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
        """Counts an answer whose error the facts do not list."""
        if self._drifts is None or answer.outcome is not Outcome.AMBIGUOUS:
            return  # what is in the table of errors as anything else is known
        code = answer.venue_code
        if code.startswith("-") and code[1:].isdigit():
            is_listed = int(code) in self._errors
        elif answer.text[:1] == "E" and ":" in answer.text:
            group, _, rest = answer.text.partition(":")
            code = f"{group}:{rest.partition(':')[0]}"
            is_listed = answer.text in self._errors or code in self._errors
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

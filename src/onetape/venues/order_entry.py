"""Order entry over a persistent WebSocket: the sessions of an `OrderLine`. No I/O.

A line has one session for each connection. A session numbers its requests, and returns exactly one answer for each: the
venue's, or AMBIGUOUS if the connection ends or no answer comes in time. The venue's protocol reads the answers, by the
same tables as over REST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from onetape._core import PlaceTerms
from onetape.model.errors import OrderOutcomeUnknown
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Answer, Outcome

__all__ = ["Answered", "EntryDialect", "EntrySession", "Reply", "json_of"]

LATE: Final = 4 * SECOND  # longest wait for an answer, as over REST
PENDING_MAX: Final = 1000  # unanswered requests; when reached, further requests use REST
FORGOTTEN_MAX: Final = 1000  # numbers of abandoned requests, to recognize late answers


class Reply(NamedTuple):
    """One message that answers a request. value: as the venue's protocol reads it."""

    number: int
    is_done: bool
    value: Any
    status: int = 200
    retry_after: int = 0  # seconds


class Answered(NamedTuple):
    call: Call
    answer: Answer


class EntryDialect(Protocol):
    """Encodes and decodes a venue's order entry on one connection. now: ns UTC, our estimate of the venue's time."""

    limits: dict[str, tuple[int, int]]  # (used, limit) by name, as last reported
    headers: dict[str, str]  # the account's order counts as last reported, in the form of REST's headers
    ping: bytes  # the venue's periodic message, if any

    @property
    def handshake(self) -> Mapping[str, str]:
        """Returns the headers of the connection's opening request."""
        ...

    def hello(self, number: int, now: int) -> bytes | None:
        """Returns the message that the venue must confirm before orders may be sent; None: none is needed."""
        ...

    def message(self, call: Call, number: int, now: int) -> bytes | None:
        """Returns the message for a call; None: the venue takes such calls by REST only."""
        ...

    def read(self, message: bytes, now: int) -> Reply | str:
        """Returns an answer, or the name of any other message, "" for one to be ignored. Raises ValueError, KeyError,
        TypeError or AttributeError for a malformed one."""
        ...

    def answer(self, call: Call, reply: Reply, now: int) -> Answer: ...


def json_of(terms: Mapping[str, Any]) -> bytes:
    """Returns the parameters of a request as a JSON object."""
    return terms.json() if isinstance(terms, PlaceTerms) else msgspec.json.encode(terms)


@dataclass(slots=True)
class EntrySession:
    """A session of order entry: one connection, from its beginning to its end."""

    dialect: EntryDialect
    is_ready: bool = False
    broken: str = ""  # why it cannot be used, "" if it can
    unknown: dict[str, int] = field(default_factory=dict)  # name of a message that is no answer -> count
    _number: int = 0
    _hello: int = 0
    _pending: dict[int, tuple[Call, int]] = field(default_factory=dict)  # number -> call, time of sending
    _abandoned: dict[int, None] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Returns the number of unanswered requests."""
        return len(self._pending)

    def opened(self, now: int) -> list[bytes]:
        """Returns the first messages to send."""
        hello = self.dialect.hello(self._number + 1, now)
        if hello is None:
            self.is_ready = True
            return []
        self._number += 1
        self._hello = self._number
        return [hello]

    def send(self, call: Call, now: int) -> bytes | None:
        """Returns the message for a call, whose answer is awaited from now on; None: the call must use REST."""
        if not self.is_ready or self.broken or call.terms is None or len(self._pending) >= PENDING_MAX:
            return None
        number = self._number + 1
        message = self.dialect.message(call, number, now)
        if message is not None:
            self._number = number
            self._pending[number] = (call, now)
        return message

    def take(self, message: bytes, now: int) -> list[Answered]:
        """Reads a message. Raises nothing: a malformed one breaks the session."""
        try:
            read = self.dialect.read(message, now)
        except MALFORMED as error:
            # It may have been the answer to any request, so all of them are ambiguous.
            self.broken = f"a message that makes no sense: {type(error).__name__}"
            return []
        if isinstance(read, str):
            if read:
                self._count(read)
            return []
        if read.number == self._hello and not self.is_ready:
            self.is_ready = read.is_done
            if not read.is_done:
                self.broken = f"the venue refuses: {str(read.value)[:200]}"
            return []
        pending = self._pending.pop(read.number, None)
        if pending is None:
            late = self._abandoned.pop(read.number, 0) is None
            self._count("late answer" if late else "answer to nothing")
            return []
        call, _ = pending
        try:
            answer = self.dialect.answer(call, read, now)
        except MALFORMED as error:
            self.broken = f"an answer that makes no sense: {type(error).__name__}"
            text = f"{self.broken} {error}"[:200]
            answer = Answer(Outcome.AMBIGUOUS, code=OrderOutcomeUnknown.code, text=text)
        return [Answered(call, answer)]

    def late(self, now: int) -> list[Answered]:
        """Returns the requests whose answers are overdue, with ambiguous answers."""
        found = []
        for number, (call, sent) in list(self._pending.items()):
            if now - sent < LATE:
                break  # they are in the order of sending
            del self._pending[number]
            self._abandoned[number] = None
            if len(self._abandoned) > FORGOTTEN_MAX:
                del self._abandoned[next(iter(self._abandoned))]
            found.append(Answered(call, _unknown("no answer came")))
        return found

    def closed(self) -> list[Answered]:
        """Ends the session; returns the unanswered requests with ambiguous answers."""
        self.is_ready = False
        self.broken = self.broken or "the connection was closed"
        lost = [Answered(call, _unknown("the connection was lost")) for call, _ in self._pending.values()]
        self._pending.clear()
        return lost

    def _count(self, what: str) -> None:
        self.unknown[what] = self.unknown.get(what, 0) + 1


def _unknown(text: str) -> Answer:
    return Answer(Outcome.AMBIGUOUS, code=OrderOutcomeUnknown.code, text=text)

"""Polls of a venue's market: the kinds of requests, their costs, and their answers. Pure: calls come out, bodies of
answers go in. The message table reads the answers, as it does for a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call

__all__ = ["MARKS", "OPEN_INTEREST", "QUOTES", "TRADES", "MarketPolls", "PollKind", "PollsDefaults"]

QUOTES: Final = "quotes"
TRADES: Final = "trades"
MARKS: Final = "marks"
OPEN_INTEREST: Final = "open interest"


class PollKind(NamedTuple):
    """One kind of poll. weight: of one request, in the address's budget. share: the kind's part of the total weight of
    polls. by_symbol: one request per instrument; else one for all."""

    name: str
    weight: int
    share: float
    by_symbol: bool = False


class MarketPolls(Protocol):
    """The polls of a venue. Raises ValueError, LookupError or TypeError for a malformed answer."""

    @property
    def rule(self) -> BudgetRule:
        """Returns the limit on an address's public requests."""
        ...

    @property
    def kinds(self) -> Sequence[PollKind]:
        """Returns the kinds of polls; the sum of their shares is 1."""
        ...

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        """Returns a reader of answers about these instruments, by the numbers of their streams on the tape."""
        ...

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        """Makes a poll. instrument: for a kind `by_symbol`. after: number and time (ns) of the last known trade; number
        0: trades since that time; both 0: only the newest trades."""
        ...

    def message(self, kind: str, body: bytes) -> bytes:
        """Converts an answer's body to the form of the table of messages."""
        ...

    @property
    def turnover(self) -> Call:
        """Returns the request of all instruments' turnovers of 24 hours."""
        ...

    def turnovers(self, body: bytes) -> Mapping[str, float]:
        """Reads the turnovers, by `name_of`, in the quote currency."""
        ...

    def name_of(self, instrument: Instrument) -> str:
        """Returns the name of an instrument in `turnovers`."""
        ...


class PollsDefaults:
    """A base of `MarketPolls`."""

    def name_of(self, instrument: Instrument) -> str:
        return instrument.raw_symbol

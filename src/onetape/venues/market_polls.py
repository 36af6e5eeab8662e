"""How a venue's market is read by requests: which there are, what each costs, what answers say.

Pure: calls come out, bodies of answers go in. What an answer says is read by the table of messages
`table`, as what comes over a stream is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call

__all__ = ["MARKS", "OPEN_INTEREST", "QUOTES", "TRADES", "MarketPolls", "PollKind"]

QUOTES: Final = "quotes"
TRADES: Final = "trades"
MARKS: Final = "marks"
OPEN_INTEREST: Final = "open interest"


class PollKind(NamedTuple):
    """One kind of poll. weight: of one request, in the address's budget. share: of all weight that is spent on polls.
    by_symbol: a request for each instrument, else one has them all."""

    name: str
    weight: int
    share: float
    by_symbol: bool = False


class MarketPolls(Protocol):
    """Raises ValueError, LookupError or TypeError for an answer that is malformed."""

    @property
    def rule(self) -> BudgetRule:
        """Returns what an address may ask of the venue's public data."""
        ...

    @property
    def kinds(self) -> Sequence[PollKind]:
        """Of polls; their shares come to 1."""
        ...

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        """Of answers about these, by the numbers of their streams on the tape."""
        ...

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        """instrument: of a kind `by_symbol`. after: number and time (ns) of the last trade that is
        known; with a time alone what has traded since; without both only the newest is asked for."""
        ...

    def message(self, kind: str, body: bytes) -> bytes:
        """Returns an answer's body as the table of messages has it."""
        ...

    @property
    def turnover(self) -> Call:
        """Asks what was traded in 24 hours."""
        ...

    def turnovers(self, body: bytes) -> Mapping[str, float]:
        """By `Instrument.raw_symbol`, in the quote currency."""
        ...

"""A venue's market for a gateway: its connections, and a reader of their messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from onetape import _core
from onetape.model.errors import InvariantViolation
from onetape.model.instrument import Instrument
from onetape.venues.protocol_table import Protocol as MessageTable

__all__ = ["NO_TOP", "JointMarket", "LiveMarket", "Market", "MarketStream", "Top"]


class Top(NamedTuple):
    """The newest two-sided quote of an instrument, in its units."""

    bid: int
    ask: int
    bid_size: int
    ask_size: int


NO_TOP = Top(0, 0, 0, 0)


class MarketStream(NamedTuple):
    """A connection for market data. url: its address; hello: the first messages to send. most_s: longest interval in
    seconds between two messages that the venue promises; 0: no promise. ping: a message that the venue requires
    periodically. confirmed_by: a part of each message that confirms a subscription; `confirmations` of them are
    expected. market: reads its messages, where their names mean other instruments than on other connections of the
    market; None: the market itself."""

    url: str
    hello: tuple[bytes, ...] = ()
    most_s: float = 0.0
    ping: bytes = b""
    confirmed_by: bytes = b""
    confirmations: int = 0
    market: LiveMarket | None = None


class Market(Protocol):
    """Reads the messages of all connections. A stream is an instrument's number, from 1."""

    @property
    def bars(self) -> int:
        """Returns the period of the venue's own bars in its messages, ns; 0: there are none."""
        ...

    @property
    def rejected(self) -> int:
        """Returns the number of malformed messages."""
        ...

    @property
    def unmapped(self) -> dict[str, int]:
        """Returns the count of messages about symbols that were not subscribed, by the venue's names; they are
        dropped."""
        ...

    def streams(self) -> Sequence[MarketStream]: ...

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> int:
        """Appends the frames of a message received at that time (ns UTC). Returns the stream whose two-sided quote the
        message changed last, 0 for none. Raises the journal's errors."""
        ...

    def top(self, stream: int) -> Top:
        """Returns a stream's newest quote, zeros if none came since `forget`."""
        ...

    def middle(self, stream: int) -> int:
        """Returns (bid + ask) // 2 of a stream's newest quote."""
        ...

    def next_funding(self, stream: int) -> tuple[int, int] | None:
        """Returns rate (in 1e-12) and time (ns UTC, 0: unknown) of a stream's next funding payment; None: not
        reported."""
        ...

    def forget(self) -> None: ...


class LiveMarket:
    """Implements `Market` with the core's reader and the venue's message table.

    instruments: pairs of the name in the venue's messages and the instrument. numbers: of their streams on the tape, by
    default from 1. bars: as `Market.bars`.
    """

    def __init__(
        self,
        table: MessageTable,
        instruments: Iterable[tuple[str, Instrument]],
        streams: Sequence[MarketStream],
        numbers: Sequence[int] = (),
        bars: int = 0,
    ) -> None:
        self.bars = bars
        self.core = table.live(instruments, numbers)
        self._streams = streams
        self.take = self.core.take
        self.middle = self.core.middle
        self.next_funding = self.core.next_funding
        self.forget = self.core.forget

    @property
    def rejected(self) -> int:
        return self.core.rejected

    @property
    def unmapped(self) -> dict[str, int]:
        return self.core.unmapped

    def streams(self) -> Sequence[MarketStream]:
        return self._streams

    def top(self, stream: int) -> Top:
        return Top(*self.core.top(stream))


class JointMarket:
    """Implements `Market` for several markets of a venue, in whose messages the same names mean different instruments.
    Each connection's messages go to its own market. parts: the markets, with the stream numbers of each; they have bars
    of the same period."""

    def __init__(self, parts: Sequence[tuple[LiveMarket, Sequence[int]]]) -> None:
        self._parts = [part for part, _ in parts]
        self._of = {number: part for part, numbers in parts for number in numbers}
        self.bars = self._parts[0].bars

    @property
    def rejected(self) -> int:
        return sum(part.rejected for part in self._parts)

    @property
    def unmapped(self) -> dict[str, int]:
        return dict(sum((Counter(part.unmapped) for part in self._parts), Counter[str]()))

    def streams(self) -> Sequence[MarketStream]:
        return [stream._replace(market=part) for part in self._parts for stream in part.streams()]

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> int:
        raise InvariantViolation("a message of a joint market belongs to one of its connections")

    def top(self, stream: int) -> Top:
        return self._of[stream].top(stream)

    def middle(self, stream: int) -> int:
        return int(self._of[stream].middle(stream))

    def next_funding(self, stream: int) -> tuple[int, int] | None:
        found: tuple[int, int] | None = self._of[stream].next_funding(stream)
        return found

    def forget(self) -> None:
        for part in self._parts:
            part.forget()

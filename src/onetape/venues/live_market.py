"""A market as a gateway follows it: connections, and a reader of what comes over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.venues.protocol_table import Protocol as MessageTable

__all__ = ["NO_TOP", "LiveMarket", "Market", "MarketStream", "Top"]


class Top(NamedTuple):
    """The newest two-sided quote of an instrument, in its units."""

    bid: int
    ask: int
    bid_size: int
    ask_size: int


NO_TOP = Top(0, 0, 0, 0)


class MarketStream(NamedTuple):
    """Is a connection for market data: where, and what is said first. most_s: seconds between two
    messages at most, as the venue promises; 0: it does not. ping: what a venue wants to hear again and again.
    confirmed_by: what is in each message that confirms a subscription, of which there are `confirmations`."""

    url: str
    hello: tuple[bytes, ...] = ()
    most_s: float = 0.0
    ping: bytes = b""
    confirmed_by: bytes = b""
    confirmations: int = 0


class Market(Protocol):
    """Reads the messages of all its connections. Streams number the instruments, from 1."""

    @property
    def bars(self) -> int:
        """Returns the period of the venue's own bars among them, ns; 0: there are none."""
        ...

    @property
    def rejected(self) -> int:
        """Messages that were not as their kind should be."""
        ...

    @property
    def unmapped(self) -> dict[str, int]:
        """Messages of symbols that nobody subscribed to, by the venue's names: none is kept."""
        ...

    def streams(self) -> Sequence[MarketStream]: ...

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> int:
        """Append the frames of a message received at (ns UTC). Gives the stream whose two-sided
        quote it moved last, 0 for none. Raises what the journal raises."""
        ...

    def top(self, stream: int) -> Top:
        """Its newest quote, zeros where none has come since `forget`."""
        ...

    def middle(self, stream: int) -> int:
        """(bid + ask) // 2 of the same."""
        ...

    def next_funding(self, stream: int) -> tuple[int, int] | None:
        """Returns rate (1e-12) and time (ns UTC, 0: not given) of its next payment; None: nobody has said."""
        ...

    def forget(self) -> None: ...


class LiveMarket:
    """Implements `Market`: one that the core reads by the venue's message table.

    instruments: with the names that they have in its messages. numbers: of their streams on the
    tape, where they do not count from 1. bars: as `Market.bars`."""

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

"""How a venue's market messages reach a tape where they are no table: decoders without I/O.

A decoder is fed messages, each parsed from JSON with fractions left as text, and tells what they
say to a `MarketOut`: events by the venue's own name of the instrument, numbers as written. It
keeps what the dialect needs (prices by id, the book under a checksum) and nothing else; sockets,
files, instruments and units are the business of whoever feeds it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Protocol

from onetape._core import FLAG_GAP, FLAG_SNAPSHOT, FLAG_UNSYNCED
from onetape.model.time import parse_time

NONE: Final = 0
BUY: Final = 1
SELL: Final = 2
SIDES: Final = {"Buy": BUY, "Sell": SELL, "buy": BUY, "sell": SELL, "b": BUY, "s": SELL}


class MalformedError(Exception):
    """A message lacks what its kind must have; the text says what."""


class MarketOut(Protocol):
    """Where a decoder's events go. Times are ns; numbers are text, or integers of JSON, None where
    a side is empty. Each answers whether the event was taken; what was not is on record there."""

    def quote(
        self, raw: str, ts_event: int, bid: object, bid_size: object, ask: object, ask_size: object, update_id: int = 0
    ) -> bool: ...

    def trade(self, raw: str, ts_event: int, price: object, size: object, side: int, trade_id: object) -> bool: ...

    def book(
        self, raw: str, ts_event: int, flags: int, last_id: int, previous_id: int, bids: list[Any], asks: list[Any]
    ) -> bool:
        """One depth message: (price, size, ...) levels, size 0 takes a level away."""
        ...

    def pass_over(self, what: str) -> None:
        """A message, or a row of one, that carries nothing we keep."""
        ...


class MarketDecoder(Protocol):
    """A venue's dialect. Made anew for each pass over a source."""

    def decode(self, message: Any) -> None:
        """One message. Raises MalformedError, KeyError, TypeError, ValueError, IndexError or
        AttributeError for one that is not as its kind should be."""
        ...

    def connected(self) -> None:
        """A new connection: what was known of books is not to be relied on."""
        ...


class DecoderFactory(Protocol):
    """checks: books are kept where a checksum asks for them. Off while decimals are measured."""

    def __call__(self, out: MarketOut, *, checks: bool = True) -> MarketDecoder: ...


class DepthState:
    """Is the book of one instrument known? Gives each depth message its flags.

    A book is known from a snapshot until its numbering or its checksum breaks. The message that
    shows the break has the flag `gap`; what follows is `unsynced` until the next snapshot.
    """

    __slots__ = ("began", "broken", "last_id", "synced")

    def __init__(self) -> None:
        self.synced = False
        self.began = False
        self.broken = False  # a message was lost: the next one shows the gap
        self.last_id = 0

    def snapshot(self, last_id: int = 0) -> int:
        self.synced = self.began = True
        self.broken = False
        self.last_id = last_id
        return FLAG_SNAPSHOT

    def change(self, *, fits: bool, last_id: int = 0) -> int:
        """Flags of a change. fits: it goes on from the one before, and what is known agrees."""
        self.last_id = last_id
        if not self.synced:
            return FLAG_UNSYNCED
        if fits and not self.broken:
            return 0
        self.synced = self.broken = False
        return FLAG_GAP | FLAG_UNSYNCED

    def lost(self) -> None:
        """A message of this book could not be taken, so that the next one stands on nothing."""
        self.broken = True

    def reconnected(self) -> None:
        self.synced = self.broken = False


@lru_cache(maxsize=64)
def _second(text: str) -> int:
    return parse_time(text + "Z")


def iso_ns(text: str | None) -> int:
    """`2021-07-22T22:36:10.014Z` as ns UTC, 0 for none. Raises BadInput, ValueError."""
    if not text:
        return 0
    if len(text) == 24 and text[19] == "." and text[23] == "Z":
        return _second(text[:19]) + int(text[20:23]) * 1_000_000
    return parse_time(text)


def ms_ns(value: object) -> int:
    """Milliseconds, an integer or its text, as ns; 0 for none."""
    return int(value) * 1_000_000 if value else 0  # type: ignore[call-overload]


def seconds_ns(text: str) -> int:
    """`1618678133.478962` as ns, exactly."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000_000 + (int(fraction[:9].ljust(9, "0")) if fraction else 0)


__all__ = [
    "BUY",
    "NONE",
    "SELL",
    "SIDES",
    "DecoderFactory",
    "DepthState",
    "MalformedError",
    "MarketDecoder",
    "MarketOut",
    "iso_ns",
    "ms_ns",
    "seconds_ns",
]

"""How a venue's live messages usually look, for the core to read without the interpreter.

A shape says what makes a message one of its kind and where its values stand. The core learns from
the messages themselves in which order they come and what else is in them, and takes those that look
as one before them did. All others go to the venue's own decoder, whose word is final: it reads
what is unusual, and refuses by name what is wrong. Shapes make a feed quick, never different.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.tape.journal import type_id
from onetape.venues.gateways import Market

__all__ = [
    "NO_TOP",
    "Shape",
    "ShapeTable",
    "Shaped",
    "ShapedFeed",
    "Slot",
    "Top",
    "levels",
    "shape_reader",
    "text",
    "value",
]

_QUOTE: Final = type_id("quote")
_BEST: Final = struct.Struct("<16x4q")  # of a quote, as `Top`


class Top(NamedTuple):
    """The newest quote of an instrument, in its units."""

    bid: int
    ask: int
    bid_size: int
    ask_size: int


NO_TOP: Final = Top(0, 0, 0, 0)
Role = Literal[
    "symbol", "time", "bid", "bid_size", "ask", "ask_size", "price", "size", "side", "id", "mark",
    "index", "first_id", "previous_id", "bids", "asks",
]  # fmt: skip
Form = Literal["text", "bare", "levels"]
NOT_TAKEN: Final = -1


class Slot(NamedTuple):
    """Where a value stands: keys joined by points, the list of rows adds none."""

    path: str
    form: Form
    is_required: bool = True


def text(path: str) -> Slot:
    """A JSON string."""
    return Slot(path, "text")


def value(path: str) -> Slot:
    """A JSON number, true or false."""
    return Slot(path, "bare")


def levels(path: str) -> Slot:
    """A list of [price, size], both strings."""
    return Slot(path, "levels")


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of message.

    constants: path -> the JSON that must stand there. rows: the path of a list of objects that are
    an event each, "" where the message is the event. buy, sell: what the side's value then is.
    Prices and sizes must be exact at the instrument's decimals; marks are rounded to them.
    """

    event: Literal["quote", "trade", "mark", "book"]
    time: Literal["ms", "us", "ns", "iso"]
    slots: Mapping[Role, Slot]
    constants: Mapping[str, str]
    rows: str = ""
    buy: str = ""
    sell: str = ""

    def inside(self, key: str) -> Shape:
        """The same, wrapped: {"stream": ..., key: the message}."""
        return Shape(
            self.event,
            self.time,
            {role: slot._replace(path=f"{key}.{slot.path}") for role, slot in self.slots.items()},
            {f"{key}.{path}": json for path, json in self.constants.items()},
            f"{key}.{self.rows}" if self.rows else "",
            self.buy,
            self.sell,
        )


@dataclass(frozen=True, slots=True)
class ShapeTable:
    """A market's shapes, and its instruments' streams, from 1, by the names they have there."""

    shapes: Sequence[Shape]
    streams: Mapping[str, int]


@runtime_checkable
class Shaped(Protocol):
    """A market whose messages have shapes."""

    def shape_table(self) -> ShapeTable: ...


def shape_reader(table: ShapeTable, instruments: Sequence[Instrument]) -> _core.ShapeReader:
    """A reader for these instruments, in the order of their streams."""
    return _core.ShapeReader(
        [
            (
                shape.event,
                shape.time,
                shape.rows,
                list(shape.constants.items()),
                [(role, *slot) for role, slot in shape.slots.items()],
                shape.buy,
                shape.sell,
            )
            for shape in table.shapes
        ],
        [
            (raw, stream, i.price_decimals, i.size_decimals)
            for raw, stream in table.streams.items()
            for i in (instruments[stream - 1],)
        ],
    )


class ShapedFeed:
    """A market's messages into a journal: the usual ones by the core, the rest by its decoder,
    whose sink writes to the same journal.

    `slow` counts those that went to the decoder: heartbeats, answers, the first of each kind.
    """

    def __init__(self, market: Market, instruments: Sequence[Instrument], writer: _core.JournalWriter) -> None:
        self._market = market
        self._writer = writer
        table = market.shape_table() if isinstance(market, Shaped) else ShapeTable((), {})
        self._reader = shape_reader(table, instruments)
        self._take = self._reader.take
        self.slow = 0

    @property
    def quick(self) -> int:
        """Messages that the core took."""
        return self._reader.taken

    def take(self, message: bytes, received: int) -> int:
        """One message, received at (ns UTC): the stream whose quote it moved, 0 for none. What the
        decoder read is told to its sink instead, and gives 0. Raises what the journal raises."""
        stream = self._take(message, received, self._writer)
        if stream != NOT_TAKEN:
            return stream
        self.slow += 1
        self._market.take(message)
        self._reader.learn(message)
        return 0

    def best(self, stream: int, message: bytes) -> Top:
        """Of the last quote of that stream in a message that the core took."""
        found = NO_TOP
        for type_, at, payload in self._reader.frames(message, 0) or ():
            if type_ == _QUOTE and at == stream:
                found = Top(*_BEST.unpack_from(payload))
        return found

    def middle(self, stream: int) -> int:
        """(bid + ask) // 2 of the last quote that the core took, 0 before it."""
        return self._reader.middle(stream)

"""A venue's market messages described as data, for the core's single reader.

The core knows kinds of events and the roles of their values; each venue describes once which key has which role in
which message, for live connections and for captures alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from onetape import _core
from onetape.model.instrument import Instrument

MessageKind = Literal[
    "quote",
    "trade",
    "book",
    "snapshot",
    "checked_book",
    "depth",
    "refusal",
    "mark",
    "liquidation",
    "bar",
    "open_interest",
]
Checksum = Literal["none", "digits", "turns"]
MessageRow = tuple[str, str, str, list[str], dict[str, str], list[str], tuple[str, str] | None, str]
TableRow = tuple[
    str, str, str, str, list[str], list[str], list[str], tuple[str, str], str, list[MessageRow]
]  # fmt: skip


def top(bid: str, bid_size: str, ask: str, ask_size: str) -> dict[str, str]:
    """Returns the roles of a quote, by their paths."""
    return {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size}


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message.

    `event` is the value of the protocol's discriminator. Without one ("") the keys in `required` identify the message;
    they also decide between several messages of one event. `roles` gives the path of each role's value, "k.o" for o
    inside k, "b.2" for the third of a list b. A message with `channels` matches only on those channels. If the value at
    `only[0]` exists and is not `only[1]`, the message is skipped.

    A message with `whole` replaces the book or the quote: always if it has no role `action`, else when `action` has
    that value; the other messages then have only changes. A checked book has snapshots and changes on one stream. With
    a role `side` a message or a row is one level of it; with an `id` levels are identified by it, and `action` or the
    key of the row's list is `insert`, `update` or `delete`. Roles that are present are checked: `last_id` increases by
    one, or continues from `previous_id`; `sequence` grows; `checksum` is computed as the protocol says.

    If quotes or trades come under several names, or books on several channels, only one of them is read: the others
    repeat it.
    """

    kind: MessageKind
    event: str
    roles: Mapping[str, str]
    required: tuple[str, ...]
    name: str = ""  # shown to users; "": that of the event
    channels: tuple[str, ...] = ()
    only: tuple[str, str] | None = None
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """All market messages of a venue, and their wrapping.

    The value at `event_path` names the event, up to a `separator`; the rest belongs to its channel: a depth, and last
    the symbol if the message does not have it. The value at `channel_path` names symbol and channel ("btcusdt@depth");
    the value under a key of `wrappers` is read as the message itself. A message with a value at `answer_path` is an
    answer, named by that value, and no event. If several of `messages` match, the first counts.

    Each row of a list under the first key of `rows` is an event of its own; the other keys name lists inside an object
    under that key ("data", "data.update"). A message may itself be a list if there are `texts`: an object in it is read
    as the message, a list as the rows, and its texts as the values of these keys. Levels of depth are [price, size], or
    objects with the keys `level`; the time of a book without one is the newest third element of its levels. `checksum`
    covers the ten best asks and bids as digits, or the best 25 of both sides, alternating, as written
    (core/text/checked_book.hpp).

    `depth_answer`: the end of the path that answers with a depth snapshot, and the parameter that names the symbol.
    """

    event_path: str
    separator: str = ""
    channel_path: str = ""
    answer_path: str = ""
    wrappers: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    level: tuple[str, str] = ("", "")
    checksum: Checksum = "none"
    messages: tuple[Message, ...] = field(default=())
    depth_answer: tuple[str, str] = ("", "")

    def is_depth_answer(self, path: str) -> bool:
        """Tells whether a request to this path is answered with a depth snapshot."""
        return bool(self.depth_answer[0]) and path.endswith(self.depth_answer[0])

    def as_core(self) -> TableRow:
        """Returns the table as plain values, for the core."""
        messages: list[MessageRow] = [
            (m.kind, m.name or m.event, m.event, list(m.channels), dict(m.roles), list(m.required), m.only, m.whole)
            for m in self.messages
        ]
        return (
            self.event_path, self.separator, self.channel_path, self.answer_path, list(self.wrappers),
            list(self.rows), list(self.texts), self.level, self.checksum, messages,
        )  # fmt: skip

    def live(
        self,
        instruments: Iterable[tuple[str, Instrument]],
        numbers: Sequence[int] = (),
        *,
        keeps_book: bool = False,
        polled: bool = False,
    ) -> _core.LiveMessages:
        """Returns a reader of live messages. instruments: pairs of the venue's name and the instrument. numbers: of
        their streams, by default from 1. keeps_book: maintain the book; there is only one stream. polled: the messages
        are answers to polls, which repeat earlier data."""
        rows = list(instruments)
        streams = [
            (raw, number, i.price_decimals, i.size_decimals, False)
            for number, (raw, i) in zip(numbers or range(1, len(rows) + 1), rows, strict=True)
        ]
        return _core.LiveMessages(self.as_core(), streams, keeps_book, polled)

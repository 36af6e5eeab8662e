"""How a venue's market messages are written down as data, for the core's one reader of them.

The core knows kinds of events and the roles values play in them; which key carries which role in
which message is said once per venue, in these words, for live connections and for captures alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from onetape import _core
from onetape.model.instrument import Instrument

MessageKind = Literal[
    "quote", "trade", "book", "snapshot", "checked_book", "depth", "refusal", "mark", "liquidation", "bar"
]
Row = tuple[str, str, str, list[str], dict[str, str], list[str], tuple[str, str] | None, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message.

    `event` is the value of the protocol's discriminator ("" where it has none: then `required`
    tells it apart). `roles` gives the path of each role's value, "k.o" for o inside k. A message
    with `channels` is this one only on those channels. Where the value at `only[0]` is there and
    is not `only[1]`, the message is passed over. A book is replaced by a message whose role
    `action` has the value `whole`.
    """

    kind: MessageKind
    name: str
    event: str
    roles: Mapping[str, str]
    required: tuple[str, ...]
    channels: tuple[str, ...] = ()
    only: tuple[str, str] | None = None
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """All market messages of a venue, and how they are wrapped.

    The value at `channel_path` names symbol and channel ("btcusdt@depth"), what stands under a
    key of `wrappers` is read as the message itself. Each object of the list under `rows` is an
    event of its own. The value at `answer_path` names messages without an event. Levels of depth
    are [price, size], or objects with the keys `level`. Earlier messages win. `depth_answer` is how
    the address of a depth snapshot ends, and the parameter of it that names the symbol.
    """

    event_path: str
    channel_path: str = ""
    answer_path: str = ""
    wrappers: tuple[str, ...] = ()
    rows: str = ""
    level: tuple[str, str] = ("", "")
    messages: tuple[Message, ...] = field(default=())
    depth_answer: tuple[str, str] = ("", "")

    def is_depth_answer(self, path: str) -> bool:
        """Is this the path of an address that answers with a depth snapshot?"""
        return bool(self.depth_answer[0]) and path.endswith(self.depth_answer[0])

    def as_core(self) -> tuple[str, str, str, list[str], str, tuple[str, str], list[Row]]:
        """The table as plain values, as the core takes it."""
        messages: list[Row] = [
            (m.kind, m.name, m.event, list(m.channels), dict(m.roles), list(m.required), m.only, m.whole)
            for m in self.messages
        ]
        return (
            self.event_path, self.channel_path, self.answer_path, list(self.wrappers), self.rows, self.level, messages
        )  # fmt: skip

    def live(
        self,
        instruments: Iterable[tuple[str, Instrument]],
        numbers: Sequence[int] = (),
        *,
        keeps_book: bool = False,
        polled: bool = False,
    ) -> _core.LiveMessages:
        """A reader of live messages. instruments: with the venue's names. numbers: of their streams,
        from 1 on without any. keeps_book: of the one stream. polled: answers, which say again what
        earlier ones have said."""
        rows = list(instruments)
        streams = [
            (raw, number, i.price_decimals, i.size_decimals, False)
            for number, (raw, i) in zip(numbers or range(1, len(rows) + 1), rows, strict=True)
        ]
        return _core.LiveMessages(self.as_core(), streams, keeps_book, polled)

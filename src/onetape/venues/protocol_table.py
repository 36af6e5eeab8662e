"""How a venue's protocol is written down as data, for the core's scanner to read by.

The core knows kinds of events and the roles values play in them; which key carries which role in
which message is said once per venue, in its protocol.py, in these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MessageKind = Literal["quote", "trade", "book", "snapshot", "mark", "liquidation", "bar"]


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message.

    `event` is the value of the protocol's discriminator ("" where it has none: then `required`
    tells it apart). `roles` gives the path of each role's value, "k.o" for o inside k. A message
    with `channels` is this one only on those channels. Where the value at `only[0]` is there and
    is not `only[1]`, the message is passed over.
    """

    kind: MessageKind
    name: str
    event: str
    roles: Mapping[str, str]
    required: tuple[str, ...]
    channels: tuple[str, ...] = ()
    only: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """All market messages of a venue, and how they are wrapped.

    The value at `channel_path` names symbol and channel ("btcusdt@depth"), what stands under a
    key of `wrappers` is read as the message itself. Earlier messages win. `depth_answer` is how
    the address of a depth snapshot ends, and the parameter of it that names the symbol.
    """

    event_path: str
    channel_path: str
    wrappers: tuple[str, ...]
    messages: tuple[Message, ...] = field(default=())
    depth_answer: tuple[str, str] = ("", "")

    def is_depth_answer(self, path: str) -> bool:
        """Is this the path of an address that answers with a depth snapshot?"""
        return bool(self.depth_answer[0]) and path.endswith(self.depth_answer[0])

    def rows(self) -> list[tuple[str, str, str, list[str], dict[str, str], list[str], tuple[str, str] | None]]:
        """The table as plain values, as the core takes it."""
        return [
            (m.kind, m.name, m.event, list(m.channels), dict(m.roles), list(m.required), m.only) for m in self.messages
        ]

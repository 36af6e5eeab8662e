"""Messages between hosts: blocks of journals, what a host has, and requests for blocks that are missing."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import msgspec

from onetape.model.errors import BadInput

__all__ = [
    "Acknowledgement",
    "Block",
    "BlockRequest",
    "HostState",
    "HostThere",
    "JournalState",
    "Pulse",
    "decode_block",
    "encode_block",
    "token",
]

VERSION: Final = 1
# Version, flags, uuid, segment, offset, last sequence: 48 bytes, so that frames behind it are aligned.
_HEAD: Final = struct.Struct("<II16sQQQ")


class Block(NamedTuple):
    """Bytes of a journal's segment, from `offset` on. bytes: the whole message; the segment's begin at `start`. No
    bytes after `start`: the end of an answer."""

    uuid: bytes
    segment: int
    offset: int
    last_sequence: int
    message: bytes
    start: int = _HEAD.size


class JournalState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a host says of one of its journals. first_segment, first_seal: of the oldest segment it has, and the seal
    of the segment before that, as hex. heartbeat_ms: age of its writer's heartbeat, -1: it has none.
    alive: its writer runs.
    acknowledged: whoever copies it says how far it has come."""

    uuid: str
    sequence: int = 0
    heartbeat_ms: int = -1
    progress: int = 0
    closed: bool = False
    alive: bool = True
    acknowledged: bool = False
    first_segment: int = 1
    first_sequence: int = 1
    first_seal: str = ""


class HostState(msgspec.Struct, frozen=True, tag="state"):
    """A host's announcement. time: its clock, ns UTC. journals: by path below its home. follows: patterns of
    host/journal that it copies. processes: those that take commands, by name. is_last: the host is being stopped. asks:
    hosts of which it has not heard such an announcement."""

    host: str
    version: str
    time: int
    journals: dict[str, JournalState]
    follows: list[str]
    processes: list[str]
    is_last: bool
    asks: list[str]


class HostThere(msgspec.Struct, frozen=True, tag="there"):
    """A host's announcement that all is as it announced last. Fields as of HostState."""

    host: str
    time: int
    asks: list[str]


class Pulse(msgspec.Struct, frozen=True):
    """How a host's followed journals are, several times a second. config: now and then the configuration of its
    processes as JSON, without secrets."""

    host: str
    journals: dict[str, JournalState]
    config: str = ""


class Acknowledgement(msgspec.Struct, frozen=True):
    """What another host has of a journal: its frames up to a sequence."""

    journal: str
    uuid: str
    sequence: int


class BlockRequest(msgspec.Struct, frozen=True):
    """Requests the blocks of a journal from a place on. segment 0: from the oldest that the host has."""

    journal: str
    uuid: str
    segment: int
    offset: int


def encode_block(uuid: bytes, segment: int, offset: int, last_sequence: int, content: bytes) -> bytes:
    return _HEAD.pack(VERSION, 0, uuid, segment, offset, last_sequence) + content


def decode_block(message: bytes) -> Block:
    """Raises BadInput for a message that is no block of this version."""
    if len(message) < _HEAD.size:
        raise BadInput("a block shorter than its head", location="cluster")
    version, _, uuid, segment, offset, last = _HEAD.unpack_from(message)
    if version != VERSION:
        raise BadInput(
            f"blocks of version {version}, this build reads {VERSION}", location="cluster", todo="update this host"
        )
    return Block(uuid, segment, offset, last, message)


def token(name: str) -> str:
    """Returns a name as one token of a NATS subject: a host's name, or a journal's path."""
    return "".join(each if each.isalnum() or each in "-_:" else f"%{ord(each):X}" for each in name)

"""A projection of a journal in memory, its checkpoint, and how both are put together again.

The state table that others read (tape/state.py) is this one, written through. After a crash it is
rebuilt from the last checkpoint and the frames behind it; a checkpoint that is damaged, of another
layout, of another journal, or ahead of a journal that lost its tail is not used, and then all
frames are folded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec

from onetape.model.errors import TornTape
from onetape.model.typed import from_msgpack
from onetape.tape.durable import write_durably
from onetape.tape.state import Group, StateWriter
from onetape.tape.state_layout import FieldValue, Layout

__all__ = ["Rebuilt", "Sequenced", "StateTable", "TapeSource"]

_MAGIC = b"OTCHECK1"
_HEAD_BYTES = 24  # magic, body length u64, CRC-32 of the body u32, zero u32


class Sequenced(Protocol):
    @property
    def sequence(self) -> int: ...


FrameT = TypeVar("FrameT", bound=Sequenced, covariant=True)
AnyFrame = TypeVar("AnyFrame", bound=Sequenced)


class TapeSource(Protocol[FrameT]):
    """The methods of a JournalReader that are used here."""

    @property
    def uuid(self) -> UUID: ...
    @property
    def last_sequence(self) -> int: ...
    @property
    def crc(self) -> int: ...
    def seek_sequence(self, sequence: int, /) -> None: ...
    def next(self) -> FrameT | None: ...


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    kind: int
    key: str
    cells: bytes
    present: int
    ts_data: int
    ts_alive: int
    sequence: int


class _Checkpoint(msgspec.Struct, frozen=True):
    layout: int
    uuid: bytes
    sequence: int
    crc: int  # chain value of that frame: a tail rewritten since then has another
    groups: list[_Entry]


@dataclass(frozen=True)
class Rebuilt:
    """Says how a table was rebuilt: worth a line in the log."""

    checkpoint: Path | None  # the one that was used
    ignored: tuple[str, ...]  # why others were not
    frames: int  # folded
    sequence: int  # of the last one


class StateTable:
    """Keeps the latest values per key. With a writer attached, each change is written through."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.sequence = 0  # of the last frame folded in
        self.crc = 0
        self._groups: dict[tuple[str, str], Group] = {}
        self._writer: StateWriter | None = None

    def put(self, kind: str, key: str, values: Mapping[str, FieldValue], *, ts: int) -> None:
        """Replaces a group; a field that is not given is None. ts: ns UTC of the data."""
        self.layout.spec(kind).pack(values)  # refused before anything is changed
        before = self._groups.get((kind, key))
        alive = before.ts_alive if before else 0
        self._groups[kind, key] = Group(kind, key, dict(values), ts, alive, self.sequence)
        if self._writer is not None:
            self._writer.put(kind, key, values, ts=ts, sequence=self.sequence)

    def remove(self, kind: str, key: str) -> bool:
        if self._writer is not None:
            self._writer.remove(kind, key)
        return self._groups.pop((kind, key), None) is not None

    def get(self, kind: str, key: str) -> Group | None:
        return self._groups.get((kind, key))

    def groups(self, kind: str) -> dict[str, Group]:
        return {key: group for (k, key), group in self._groups.items() if k == kind}

    def __len__(self) -> int:
        return len(self._groups)

    def attach(self, writer: StateWriter) -> None:
        """Writes all groups and publishes; from here on changes are written through."""
        for group in self._groups.values():
            writer.put(group.kind, group.key, group.values, ts=group.ts_data, sequence=group.sequence)
            if group.ts_alive:
                writer.touch(group.kind, group.key, ts=group.ts_alive)
        writer.publish()
        self._writer = writer

    def fold(self, frame: AnyFrame, crc: int, step: Callable[[StateTable, AnyFrame], None]) -> None:
        """One frame, in order of the journal. crc: its chain value."""
        self.sequence = frame.sequence
        step(self, frame)
        self.crc = crc

    def save(self, path: Path, *, uuid: UUID) -> None:
        """A checkpoint, whole or not at all; the one before is kept as `<path>.old`."""
        entries = []
        for group in self._groups.values():
            spec = self.layout.spec(group.kind)
            cells, present = spec.pack(group.values)
            stamps = group.ts_data, group.ts_alive, group.sequence
            entries.append(_Entry(spec.kind, group.key, cells, present, *stamps))
        entries.sort(key=lambda entry: (entry.kind, entry.key))
        body = msgspec.msgpack.encode(_Checkpoint(self.layout.hash, uuid.bytes, self.sequence, self.crc, entries))
        head = _MAGIC + len(body).to_bytes(8, "little") + zlib.crc32(body).to_bytes(8, "little")
        write_durably(path, head + body, previous=_old(path))

    @classmethod
    def rebuild(
        cls,
        layout: Layout,
        journal: TapeSource[AnyFrame],
        step: Callable[[StateTable, AnyFrame], None],
        *,
        checkpoint: Path | None = None,
    ) -> tuple[StateTable, Rebuilt]:
        """Returns the state after the journal's last frame. step(table, frame) puts and removes groups.

        TORN_TAPE when no checkpoint can be used and the journal's beginning was pruned.
        """
        ignored: list[str] = []
        table, used = cls(layout), None
        for path in [] if checkpoint is None else [checkpoint, _old(checkpoint)]:
            found = _load(path, layout, journal)
            if isinstance(found, str):
                ignored.append(f"{path.name}: {found}")
                continue
            table._take(found)
            used = path
            break
        else:
            journal.seek_sequence(1)
        frames = 0
        while (frame := journal.next()) is not None:
            if frame.sequence != table.sequence + 1:
                raise TornTape(
                    f"frames {table.sequence + 1} to {frame.sequence - 1} are gone",
                    location="; ".join(ignored) or "no checkpoint",
                    todo="restore a checkpoint or the pruned segments",
                )
            table.fold(frame, journal.crc, step)
            frames += 1
        return table, Rebuilt(used, tuple(ignored), frames, table.sequence)

    def _take(self, checkpoint: _Checkpoint) -> None:
        self.sequence, self.crc = checkpoint.sequence, checkpoint.crc
        for entry in checkpoint.groups:
            spec = self.layout.by_kind[entry.kind]
            values = spec.unpack(entry.cells, entry.present)
            stamps = entry.ts_data, entry.ts_alive, entry.sequence
            self._groups[spec.name, entry.key] = Group(spec.name, entry.key, values, *stamps)


def _old(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _load(path: Path, layout: Layout, journal: TapeSource[Sequenced]) -> _Checkpoint | str:
    """Returns the checkpoint, with the journal at the frame behind it; or why it is not used."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        return f"not readable: {error.strerror}"
    body = data[_HEAD_BYTES:]
    length = int.from_bytes(data[8:16], "little")
    check = int.from_bytes(data[16:_HEAD_BYTES], "little")
    if data[:8] != _MAGIC or len(body) != length or zlib.crc32(body) != check:
        return "damaged"
    try:
        found = from_msgpack(body, _Checkpoint)
    except msgspec.MsgspecError as error:
        return f"not understood: {error}"
    if found.layout != layout.hash:
        return "of another layout"
    if found.uuid != journal.uuid.bytes:
        return "of another journal"
    if found.sequence > journal.last_sequence:
        return f"ahead of the journal: {found.sequence} > {journal.last_sequence}"
    if found.sequence == 0:
        return "of an empty journal"
    journal.seek_sequence(found.sequence)
    frame = journal.next()
    if frame is None or frame.sequence != found.sequence or journal.crc != found.crc:
        return f"frame {found.sequence} is not the one it was made after"
    return found

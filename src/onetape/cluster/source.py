"""Give the blocks of a journal of this host: new ones as they are written, older ones on request.

Only reads the tape: whatever other hosts do, its writer never waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from onetape import _core
from onetape.cluster.blocks import Acknowledgement, BlockRequest, JournalState, encode_block
from onetape.model.errors import BadInput, OnetapeError
from onetape.tape.journal import JournalReader
from onetape.tape.pruned import read_pruned
from onetape.tape.segments import list_segments

__all__ = ["JournalSource"]

BLOCK_BYTES: Final = 256 << 10  # NATS messages have 1 MiB at most, by default
ANSWER_BYTES: Final = 4 << 20
KEPT_READERS: Final = 4  # behind the answers sent last: the next request of a copy goes on there


class JournalSource:
    """A journal of this host. path: its folder. is_acknowledged: its writer waits until another host has its frames."""

    def __init__(self, path: Path, *, is_acknowledged: bool = False) -> None:
        self.path = path
        self.is_acknowledged = is_acknowledged
        self.newest: JournalReader | None = None  # of blocks that are written from now on, once they are wanted
        self._reader = JournalReader(path)  # what is said of the journal comes from it
        self._pruned = read_pruned(path)
        self._behind: dict[tuple[int, int], JournalReader] = {}

    @property
    def is_gone(self) -> bool:
        return self._reader.is_gone

    def look(self) -> None:
        """Looks at its files, which change seldom."""
        self._pruned = read_pruned(self.path)

    def state(self, now: int) -> JournalState:
        """Returns what this host says of it. now: ns UTC."""
        control, pruned = self._reader.control, self._pruned
        heartbeat = control.get("heartbeat", 0)
        return JournalState(
            uuid=self._reader.uuid.hex,
            sequence=self._reader.last_sequence,
            heartbeat_ms=max(0, now - heartbeat) // 1_000_000 if heartbeat else -1,
            progress=control.get("progress", 0),
            closed=control.get("closed", False),
            alive=self._reader.writer_alive,
            acknowledged=self.is_acknowledged,
            first_segment=1 if pruned is None else pruned.segment + 1,
            first_sequence=1 if pruned is None else pruned.sequence + 1,
            first_seal="" if pruned is None else pruned.seal,
        )

    def begin(self) -> JournalReader:
        """Give blocks from now on. Returns their reader, for a Waiter."""
        self.newest = JournalReader(self.path)
        self.newest.seek_sequence(self.newest.last_sequence + 1)
        return self.newest

    def end(self) -> None:
        self.newest = None  # not closed: a Waiter may still have it

    def blocks(self) -> Iterator[bytes]:
        """Yields the blocks written since the last call, or since `begin`, as messages."""
        uuid = self._reader.uuid.bytes
        while self.newest is not None and (block := _core.next_block(self.newest.core, BLOCK_BYTES)) is not None:
            yield encode_block(uuid, *block)

    def answer(self, request: BlockRequest) -> Iterator[bytes]:
        """Yields blocks from the requested place on, as messages, up to 4 MiB. Raises BadInput where this journal does
        not have that place, and other errors where it cannot be read."""
        if UUID(request.uuid) != self._reader.uuid:
            raise BadInput("this is another journal now", location=str(self.path))
        place = (request.segment, request.offset)
        reader = self._behind.pop(place, None)
        if reader is None:
            reader = JournalReader(self.path)
            segment = request.segment or list_segments(self.path)[0].number
            try:
                _core.seek_block(reader.core, segment, request.offset)
            except OnetapeError as error:
                raise BadInput(f"no place {segment}/{request.offset}: {error.what}", location=str(self.path)) from None
        uuid, sent = reader.uuid.bytes, 0
        while sent < ANSWER_BYTES and (block := _core.next_block(reader.core, BLOCK_BYTES)) is not None:
            segment, offset, _, content = block
            place, sent = (segment, offset + len(content)), sent + len(content)
            yield encode_block(uuid, *block)
        while len(self._behind) >= KEPT_READERS:
            self._behind.pop(next(iter(self._behind))).close()
        self._behind[place] = reader

    def acknowledged(self, said: Acknowledgement) -> None:
        """Another host has its frames up to a sequence: shows it to the writer."""
        if self.is_acknowledged and UUID(said.uuid) == self._reader.uuid:
            _core.show_replicated(str(self.path), said.sequence)

    def close(self) -> None:
        self.end()
        for reader in (self._reader, *self._behind.values()):
            reader.close()

"""Copy one journal of another host, frame by frame and byte by byte.

A pure core: what arrives, and when, comes in by calls, which return requests for the other host. Blocks may be lost,
doubled and reordered: the copy takes the next one only, and requests missing ones, at its own pace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from onetape import _core
from onetape.cluster.blocks import Acknowledgement, Block, BlockRequest, JournalState
from onetape.tape.pruned import Pruned, write_pruned

__all__ = ["JournalCopy"]

SILENCE_NS: Final = 200_000_000  # frames that were announced and did not come within this are requested
DAMAGED_MAX: Final = 3
PATIENCE_NS: Final = 1_000_000_000  # an answer that takes longer is requested anew


class JournalCopy:
    """The copy of one journal. path: the folder of the copy. journal: its path below the other host's home. durable:
    the copy can be synced."""

    def __init__(self, path: Path, journal: str, *, durable: bool = True) -> None:
        self.path, self.journal = path, journal
        self._durable = durable
        self._mirror: _core.Mirror | None = None
        self._state: JournalState | None = None
        self._requested_at = 0  # 0: no answer is awaited
        self._requested_place = (0, 0)
        self._came_at = 0
        self._complete_at = 0
        self._damaged = 0  # blocks in a row that do not continue this copy

    @property
    def place(self) -> tuple[int, int]:
        """Returns (segment, offset) of the next block; (0, 0): of the first one."""
        return (0, 0) if self._mirror is None else self._mirror.place[:2]

    @property
    def sequence(self) -> int:
        return 0 if self._mirror is None else self._mirror.place[2]

    @property
    def acknowledgement(self) -> Acknowledgement | None:
        """Returns what to tell the other host, where it waits for that."""
        if self._state is None or not self._state.acknowledged or self._mirror is None:
            return None
        return Acknowledgement(self.journal, self._state.uuid, self.sequence)

    @property
    def is_alive(self) -> bool:
        """Returns True while the other host says that the journal's writer runs."""
        return self._state is not None and self._state.alive

    @property
    def missing(self) -> int:
        """Returns how many frames the other host had more, when it last announced its journals."""
        return 0 if self._state is None else max(0, self._state.sequence - self.sequence)

    def lag_ns(self, now: int) -> int:
        """Returns the ns since the copy was complete, 0: it is."""
        return now - self._complete_at if self.missing else 0

    @property
    def is_behind(self) -> bool:
        """Returns True while frames, or the end of a closed journal, are missing."""
        is_open = self._mirror is None or not self._mirror.ended
        return bool(self.missing) or (self._state is not None and self._state.closed and is_open)

    def announced(self, state: JournalState, now: int) -> BlockRequest | None:
        """The other host has said how its journal is. now: ns UTC of this host."""
        if self._state is None or self._state.uuid != state.uuid:
            self._open(state)
        if not self.missing:
            self._complete_at = now
        self._state = state
        assert self._mirror is not None
        if state.heartbeat_ms >= 0:
            closed = state.closed and not self.missing
            self._mirror.show_writer(now - state.heartbeat_ms * 1_000_000, state.progress, closed, state.alive)
        return self.overdue(now)

    def away(self) -> None:
        """The other host has not announced itself for a while: its writer counts as gone until it does."""
        if self._mirror is not None and self._state is not None and self.is_alive:
            self._state = msgspec.structs.replace(self._state, alive=False)
            self._mirror.show_writer(0, self._state.progress, False, False)

    def block(self, block: Block, now: int) -> BlockRequest | None:
        """A block came, by itself or as part of an answer."""
        if self._mirror is None or self._state is None or block.uuid.hex() != self._state.uuid:
            return None  # of a journal that is not announced yet
        if not self.place[0] and block.segment != self._state.first_segment:
            return None if self._requested_at else self._request(now)
        match self._mirror.take(block.segment, block.offset, block.message, block.start):
            case "taken":
                self._came_at, self._damaged = now, 0
                return None
            case "foreign":
                # The other host has lost frames that are here, and written others in their place.
                self._begin_anew()
            case "damaged":
                self._damaged += 1
                if self._damaged > DAMAGED_MAX:  # the same, and ours end where frames of theirs begin
                    self._begin_anew()
        return None if self._requested_at else self._request(now)

    def answered(self, now: int) -> BlockRequest | None:
        """An answer is complete. Returns the next request where blocks are still missing."""
        self._requested_at = 0
        if self.place == self._requested_place:
            self._came_at = now  # it brought nothing: the next request waits
            return None
        return self._request(now) if self.is_behind else None

    def refused(self) -> None:
        """The other host has no such place, or no longer: the copy begins anew with what it has."""
        self._requested_at = 0
        if self.place[0]:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._damaged = 0
        self._set_aside()
        if self._state is not None:
            self._open(self._state)

    def overdue(self, now: int) -> BlockRequest | None:
        """Called now and then. Returns a request for blocks that are overdue."""
        if self._requested_at:
            return self._request(now) if now - self._requested_at > PATIENCE_NS else None
        return self._request(now) if self.is_behind and now - self._came_at > SILENCE_NS else None

    def close(self) -> None:
        """Let another process write the journal."""
        self._mirror = None

    def _request(self, now: int) -> BlockRequest | None:
        if self._state is None:
            return None
        self._requested_at, self._requested_place = now, self.place
        return BlockRequest(self.journal, self._state.uuid, *self.place)

    def _open(self, state: JournalState) -> None:
        self._mirror = None
        seal = bytes.fromhex(state.first_seal) if state.first_seal else bytes(32)
        mirror = _core.Mirror.open(str(self.path), durable=self._durable, seal=seal)
        if mirror.place[0] and mirror.uuid.hex() != state.uuid:
            del mirror
            self._set_aside()
            mirror = _core.Mirror.open(str(self.path), durable=self._durable, seal=seal)
        if not mirror.place[0] and state.first_segment > 1:
            write_pruned(self.path, Pruned(state.first_segment - 1, state.first_sequence - 1, state.first_seal))
        self._mirror = mirror

    def _set_aside(self) -> None:
        self._mirror = None
        if self.path.is_dir():
            number = 1
            while (aside := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
                number += 1
            self.path.rename(aside)

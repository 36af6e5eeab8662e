"""Write and read the state table of a process: the latest values per key, for all processes of this machine.

It is written only by the process that owns the projected journal. A reader gets a whole
group, or None for a missing key: never a default, and never half of a write.

    writer = StateWriter(home / "state", "gateway:main", layout)
    ...                                  # state of its journal
    writer.publish()                     # readers see it from here on
    writer.put("balance", "a/USDT", {"total": 5, "free": None}, ts=now, sequence=17)

    reader = StateReader(home / "state", "gateway:main", layout)
    group = reader.get("balance", "a/USDT")
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from onetape import _core
from onetape.model.errors import ProcessDown, TornTape, check
from onetape.tape.state_layout import FieldValue, GroupSpec, Layout

__all__ = ["Group", "GroupSpec", "Layout", "StateReader", "StateWriter", "tables_in"]

_DAMAGED = "restart {process}: it rebuilds its state table from its journal"
_REASONS = {
    "stalled": "is being written faster than it can be read",
    "writer_dead": "cannot be read and nobody writes it",
    "unavailable": "is not there",
}


class Group(msgspec.Struct, frozen=True):
    """The values of one key from one write."""

    kind: str
    key: str
    values: dict[str, FieldValue]
    ts_data: int  # ns UTC of the values
    ts_alive: int  # ns UTC of the source's last sign of life, 0: none
    sequence: int  # journal frame that they are the projection of
    version: int = 0  # counts writes to the slot

    def __getitem__(self, field: str) -> FieldValue:
        return self.values[field]


class StateWriter:
    """Writes a state table as its only writer. A second one is refused with JOURNAL_LOCKED. At first empty and not
    visible."""

    def __init__(self, directory: str | os.PathLike[str], process: str, layout: Layout, *, capacity: int = 256) -> None:
        self.layout = layout
        self.process = process
        path = Path(directory)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.core = _core.TableWriter.open(str(path), process, layout.hash, capacity=capacity, cells=layout.cells)
        self.heartbeat = self.core.heartbeat  # (now): the writer as a whole is alive
        self.publish = self.core.publish
        # (): the table is valid at this moment, which readers of slots may require; and (): it is invalid from now on.
        self.vouch = self.core.vouch
        self.unvouch = self.core.unvouch

    def put(self, kind: str, key: str, values: Mapping[str, FieldValue], *, ts: int, sequence: int) -> None:
        """Replaces the group of a key. key: at most 64 bytes of UTF-8; ts: ns UTC of the data."""
        spec = self.layout.spec(kind)
        cells, present = spec.pack(values)
        self.core.put(spec.kind, key, cells, present, ts, sequence)

    def put_slots(
        self,
        kind: str,
        key: str,
        totals: list[int],
        held: list[int],
        *,
        ts: int,
        sequence: int,
        flags: list[int] | None = None,
    ) -> None:
        """Replaces all slots of a key. The lists are by slot, in units of 1e-18.

        Slot 0 is the sum of the others, computed by the core. INVARIANT_VIOLATION: the given sum differs. BAD_INPUT:
        the sum exceeds 128 bits. In both cases nothing is written.
        """
        number = self.layout.spec(kind).kind
        check(
            self.core.put_slots(number, key, totals, held, ts, sequence, flags or []),
            f"the slots of {kind} {key!r} do not add up to the total",
            location=self.process,
        )

    def remove(self, kind: str, key: str) -> bool:
        """Remove a key: readers get None. Returns False when it was not there."""
        return bool(self.core.remove(self.layout.spec(kind).kind, key))

    def touch(self, kind: str, key: str, *, ts: int) -> bool:
        """Note that the source of a key's unchanged values is alive. Returns False for an unknown key."""
        return bool(self.core.touch(self.layout.spec(kind).kind, key, ts))

    def keep_in_place(self) -> bool:
        """Recreate the files when they were removed; returns True then. Call at each heartbeat."""
        if self.core.in_place:
            return False
        self.core.restore()
        return True

    def __len__(self) -> int:
        return len(self.core)

    def close(self, *, remove: bool = False) -> None:
        """Release the lock. The last state stays readable, marked as without a writer; with `remove` the files are
        deleted, and readers find no table."""
        if remove:
            self.core.remove_files()
        del self.core, self.heartbeat, self.publish, self.vouch, self.unvouch


class StateReader:
    """Reads the table of a process, across its restarts. One reader for each thread."""

    def __init__(self, directory: str | os.PathLike[str], process: str, layout: Layout) -> None:
        """PROCESS_DOWN: no table yet. SCHEMA_MISMATCH: a table of another version."""
        self.layout = layout
        self.process = process
        core = _core.TableReader.open(str(directory), process, layout.hash)
        if core is None:
            raise ProcessDown(f"{process} has published no state", todo=f"start {process}")
        self.core: _core.TableReader = core

    def get(self, kind: str, key: str) -> Group | None:
        """Returns a group; None: no such key. PROCESS_DOWN or TORN_TAPE: it cannot be read.

        A group outlives its writer: `ts_data`, `ts_alive`, `writer_alive` and `heartbeat` show how far to trust it.
        """
        spec = self.layout.spec(kind)
        found = self.core.read(spec.kind, key)
        if found is None:
            return None
        if isinstance(found, str):
            raise self._failure(found, f"{kind} {key!r}")
        cells, present, ts_data, ts_alive, sequence, version = found
        values = spec.unpack(cells, present)
        return Group(kind, key, values, ts_data, ts_alive, sequence, version)

    def slots(self, kind: str, key: str, *, max_age: int = 0) -> _core.SlotGroup | None:
        """Returns a handle to a group of slots, looked up once and followed from then on. None: no such key.

        It returns None while the writer has not confirmed the table for `max_age` ns.
        """
        group = self.core.slots(self.layout.spec(kind).kind, key, max_age)
        outcome = group.outcome
        if outcome not in ("ok", "missing"):
            raise self._failure(outcome, f"{kind} {key!r}")
        return group if outcome == "ok" else None

    def keys(self, kind: str | None = None) -> list[tuple[str, str]]:
        """Returns (kind, key) of all groups, or of those of a kind, in order."""
        outcome, found = self.core.keys()
        if outcome != "ok":
            raise self._failure(outcome, "keys")
        named = [(self.layout.by_kind[number].name, key) for number, key in found]
        return [entry for entry in named if kind is None or entry[0] == kind]

    def groups(self, kind: str) -> dict[str, Group]:
        """Reads all groups of a kind. Each is whole; together they may span several writes."""
        found = ((key, self.get(kind, key)) for _, key in self.keys(kind))
        return {key: group for key, group in found if group is not None}

    def refresh(self) -> bool:
        """Reopen files that were removed and recreated. Call at each heartbeat, not at each read."""
        return bool(self.core.refresh())

    @property
    def writer_alive(self) -> bool:
        return bool(self.core.writer_alive)

    @property
    def heartbeat(self) -> int:
        """Returns ns UTC of the writer's last heartbeat, 0: none yet."""
        return int(self.core.heartbeat)

    @property
    def epoch(self) -> int:
        return int(self.core.epoch)

    def _failure(self, outcome: str, what: str) -> ProcessDown | TornTape:
        location = f"state table of {self.process}"
        todo = _DAMAGED.format(process=self.process)
        if outcome == "damaged":
            return TornTape(f"{what} is damaged: its checksum does not hold", location=location, todo=todo)
        return ProcessDown(f"{what} {_REASONS[outcome]}", location=location, todo=todo)


def tables_in(directory: str | os.PathLike[str]) -> list[str]:
    """Returns the processes with a table in the folder, in order, including dead ones."""
    return sorted(path.name.removesuffix(".table") for path in Path(directory).glob("*.table"))

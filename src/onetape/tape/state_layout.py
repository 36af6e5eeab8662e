"""Define the groups of a state table: fields by name, packed into cells of eight bytes.

    i  int, 64 bits          u  int, 64 bits, not negative     b  bool
    f  float                 m  int, 128 bits (money in 1e-18), two cells
    t  text of at most 8 bytes                T  of at most 32

A field may be None: unknown is not zero. One word marks the fields with a value.

A group of slots has no fields: up to 64 amounts of one key, each with its locked part, under one
lock; each can be read without the others (core/state/slots.hpp). Slot 0 is the sum of the
rest.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from onetape._core import STATE_CELLS_MAX, STATE_SLOT_CELLS, STATE_SLOTS_MAX
from onetape.model.errors import BadInput, SchemaMismatch

__all__ = ["FieldValue", "GroupSpec", "Layout"]

FieldValue = int | float | bool | str | None

_FORMATS = {"i": "q", "u": "Q", "b": "Q", "f": "d", "m": "Qq", "t": "8s", "T": "32s"}
_TEXT_BYTES = {"t": 8, "T": 32}
_ABSENT: dict[str, tuple[int | float | bytes, ...]] = {
    **dict.fromkeys("iub", (0,)),
    "f": (0.0,),
    "m": (0, 0),
    **dict.fromkeys("tT", (b"",)),
}
_LOW = (1 << 64) - 1
_FIELDS_MAX = 64  # one bit each


@dataclass(frozen=True)
class GroupSpec:
    """One kind of group: fields written, and read, together."""

    kind: int
    name: str
    fields: tuple[tuple[str, str], ...] = ()  # (name, code), in order
    slots: int = 0  # number of slots of a group of slots, which has no fields

    def __post_init__(self) -> None:
        names = [name for name, _ in self.fields]
        if not 0 < self.kind < 1 << 16:
            raise BadInput(f"kind of group {self.name!r} is 1 to 65535, not {self.kind}")
        if len(set(names)) != len(names) or len(names) > _FIELDS_MAX:
            raise BadInput(f"group {self.name!r} needs at most 64 fields of different names")
        if not 0 <= self.slots <= STATE_SLOTS_MAX or (self.slots and self.fields):
            raise BadInput(f"group {self.name!r} has fields, or at most 64 slots")
        for name, code in self.fields:
            if code not in _FORMATS:
                raise BadInput(f"field {self.name}.{name}: no such type {code!r}")
        if self.size_bytes > STATE_CELLS_MAX * 8:
            raise BadInput(f"group {self.name!r} has {self.size_bytes // 8} cells, at most 64 fit")

    @cached_property
    def _struct(self) -> struct.Struct:
        return struct.Struct("<" + "".join(_FORMATS[code] for _, code in self.fields))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of its fields, in order."""
        return tuple(name for name, _ in self.fields)

    @cached_property
    def _name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _whole(self) -> int:
        """`present` for a group of plain numbers without a None, packed in one step; otherwise -1."""
        is_plain = all(code in "iuf" for _, code in self.fields)
        return (1 << len(self.fields)) - 1 if is_plain else -1

    @property
    def cells(self) -> int:
        """Number of cells in the table."""
        return self.slots * STATE_SLOT_CELLS or self.size_bytes // 8

    @property
    def size_bytes(self) -> int:
        return self._struct.size

    def pack(self, values: Mapping[str, FieldValue]) -> tuple[bytes, int]:
        """Returns cells and the word of present fields. A missing field is None."""
        if self._whole >= 0 and values.keys() == self._name_set:
            numbers = [values[name] for name in self.names]
            if None not in numbers:
                return self._pack(numbers), self._whole
        cells: list[int | float | bytes] = []
        present = 0
        for bit, (name, code) in enumerate(self.fields):
            value = values.get(name)
            if value is None:
                cells += _ABSENT[code]
                continue
            present |= 1 << bit
            if isinstance(value, int) and code in "muib":
                cells += (value & _LOW, value >> 64) if code == "m" else (value,)
            else:
                cells.append(self._cell(name, code, value))
        if wrong := values.keys() - self._name_set:
            raise BadInput(f"group {self.name!r} has no field {', '.join(sorted(wrong))}")
        return self._pack(cells), present

    def _pack(self, cells: Sequence[FieldValue | bytes]) -> bytes:
        try:
            return self._struct.pack(*cells)
        except struct.error as error:
            raise BadInput(f"group {self.name!r}: {error}") from None

    def _cell(self, name: str, code: str, value: int | float | bool | str) -> float | bytes:
        """Returns the cell of a text or a float. Raises BadInput for a value that must be an integer and is not."""
        if most := _TEXT_BYTES.get(code):
            text = str(value).encode()
            if len(text) > most or b"\0" in text:
                raise BadInput(f"{self.name}.{name}: {value!r} is not a text of at most {most} bytes")
            return text
        if code == "f":
            return float(value)
        raise BadInput(f"{self.name}.{name} is an integer, not {value!r}")

    def unpack(self, cells: bytes, present: int) -> dict[str, FieldValue]:
        if len(cells) != self.size_bytes:
            raise SchemaMismatch(f"group {self.name!r} has {self.size_bytes} bytes, read {len(cells)}")
        if present == self._whole:
            return dict(zip(self.names, self._struct.unpack(cells), strict=True))
        raw = iter(self._struct.unpack(cells))
        values: dict[str, FieldValue] = {}
        for bit, (name, code) in enumerate(self.fields):
            value = next(raw)
            if code == "m":
                value |= next(raw) << 64
            if not present >> bit & 1:
                values[name] = None
            elif code == "b":
                values[name] = bool(value)
            elif code in _TEXT_BYTES:
                values[name] = value.rstrip(b"\0").decode()
            else:
                values[name] = value
        return values


class Layout:
    """The kinds of one process's table. Its hash is in the file: a table with another layout is not read."""

    def __init__(self, specs: Iterable[GroupSpec]) -> None:
        self.specs = tuple(sorted(specs, key=lambda spec: spec.kind))
        self.by_name = {spec.name: spec for spec in self.specs}
        self.by_kind = {spec.kind: spec for spec in self.specs}
        if not self.specs or len(self.by_name) != len(self.specs) or (len(self.by_kind) != len(self.specs)):
            raise BadInput("a layout needs groups of different names and kinds")

    @cached_property
    def hash(self) -> int:
        text = "\n".join(
            f"{spec.kind} {spec.name} "
            + " ".join(f"{name}:{code}" for name, code in spec.fields)
            + (f"{spec.slots} slots" if spec.slots else "")
            for spec in self.specs
        )
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")

    @property
    def cells(self) -> int:
        """Number of cells of its largest group."""
        return max(1, max(spec.cells for spec in self.specs))

    def spec(self, name: str) -> GroupSpec:
        try:
            return self.by_name[name]
        except KeyError:
            raise BadInput(
                f"no group {name!r} in this state table", todo=f"one of: {', '.join(self.by_name)}"
            ) from None

"""Read payloads by the schemas stored on their tape.

Every segment begins with its schemas: for each type id the name and, for fixed layouts, each field
with kind, width and offset. A tape of an older layout, or with a type this build does not know, can
therefore still be read by name. `docs/format.md` describes the MessagePack map of one schema.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from onetape import _core
from onetape.model.enums import EventType
from onetape.model.errors import SchemaMismatch

if TYPE_CHECKING:  # most processes read frames, not tables
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "END_TYPE",
    "INSTRUMENT_TYPE",
    "MARKET_TYPES",
    "SCHEMA_ENTRY_TYPE",
    "EventSchema",
    "Field",
    "Schemas",
    "built_in",
    "schema_preamble",
]

INSTRUMENT_TYPE = EventType.INSTRUMENT.id
SCHEMA_ENTRY_TYPE = EventType.PARAMS.id  # preamble entries of type `params` contain schemas
END_TYPE = 0xFFFF
MARKET_TYPES = frozenset(
    each.id
    for each in (
        EventType.QUOTE,
        EventType.TRADE,
        EventType.BOOK,
        EventType.BAR,
        EventType.MARK,
        EventType.FUNDING,
        EventType.LIQUIDATION,
        EventType.MBO,
        EventType.OPEN_INTEREST,
        EventType.FUNDING_RATE,
    )
)

_HEADER = [
    ("length", "<u4"),
    ("type", "<u2"),
    ("flags", "<u2"),
    ("sequence", "<u8"),
    ("time", "<i8"),
    ("stream", "<u4"),
    ("crc", "<u4"),
]

_SIGNED = "ipstmr"  # integer, price, size, time, money, rate
_LEVEL = struct.Struct("<qq")
_STRUCT_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a fixed layout. kind: i u p s t m r c e x k, as in core/journal/events.hpp."""

    name: str
    kind: str
    width: int  # bytes
    offset: int
    names: tuple[str, ...] | None = None

    @property
    def is_scalar(self) -> bool:
        return self.kind not in "cxk" and self.width in _STRUCT_CODES

    @property
    def code(self) -> str:
        """Its format for `struct`; 16 bytes that are one number are two halves."""
        if self.is_scalar:
            code = _STRUCT_CODES[self.width]
            return code if self.kind in _SIGNED else code.upper()
        return "qq" if self.kind in _SIGNED and self.width == 16 else f"{self.width}s"


@dataclass(frozen=True)
class EventSchema:
    """One event type as described by its tape."""

    id: int
    name: str
    fixed: bool
    payload_bytes: int = 0  # of the fixed part
    fields: tuple[Field, ...] = ()
    tail: tuple[str, ...] | None = None  # names of the counted (price, size) lists that follow

    @cached_property
    def payload_dtype(self) -> np.dtype[np.void]:
        """The fixed part as a numpy dtype; int128 fields are two columns, `x_low` and `x_high`."""
        names: list[str] = []
        formats: list[str] = []
        offsets: list[int] = []
        for item in self.fields:
            if item.kind in "xk":
                continue
            if item.kind == "c" or (item.width not in _STRUCT_CODES and item.width != 16):
                names.append(item.name)
                formats.append(f"V{item.width}")
                offsets.append(item.offset)
            elif item.width == 16:
                names += [f"{item.name}_low", f"{item.name}_high"]
                formats += ["<u8", "<i8"]
                offsets += [item.offset, item.offset + 8]
            else:
                sign = "i" if item.kind in _SIGNED else "u"
                names.append(item.name)
                formats.append(f"<{sign}{item.width}")
                offsets.append(item.offset)
        return _structured({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.payload_bytes})

    @cached_property
    def more(self) -> str | None:
        """The name of the MessagePack map after the fixed part, if there may be one."""
        return next((item.name for item in self.fields if item.kind == "k"), None)

    @cached_property
    def row_dtype(self) -> np.dtype[np.void]:
        """The frame header followed by the fixed part: one row of `columns`.

        Where a payload field has the name of a header field (`type` of order_request), the header's is `frame_type`.
        """
        payload = self.payload_dtype
        assert payload.names is not None and payload.fields is not None
        header = _structured(_HEADER)
        assert header.names is not None and header.fields is not None
        names: list[str] = []
        formats: list[np.dtype[Any]] = []
        offsets: list[int] = []
        for name in header.names:
            names.append(f"frame_{name}" if name in payload.names else name)
            formats.append(header.fields[name][0])
            offsets.append(header.fields[name][1])
        for name in payload.names:
            names.append(name)
            formats.append(payload.fields[name][0])
            offsets.append(payload.fields[name][1] + header.itemsize)
        return _structured(
            {"names": names, "formats": formats, "offsets": offsets, "itemsize": header.itemsize + self.payload_bytes}
        )

    @cached_property
    def _unpacker(self) -> tuple[struct.Struct, tuple[tuple[str, Any], ...]]:
        """Returns a struct for the whole fixed part, and the conversion of each value."""
        codes = ["<"]
        plan: list[tuple[str, Any]] = []
        at = 0
        for item in sorted(self.fields, key=lambda f: f.offset):
            codes.append("x" * (item.offset - at))
            at = item.offset + item.width
            if item.kind in "xk":
                codes.append("x" * item.width)
            elif item.is_scalar:
                codes.append(item.code)
                plan.append((item.name, item.names))
            else:
                codes.append(f"{item.width}s")
                plan.append((item.name, "text" if item.kind == "c" else "wide"))
        codes.append("x" * (self.payload_bytes - at))
        return struct.Struct("".join(codes)), tuple(plan)

    def decode(self, payload: bytes | memoryview) -> dict[str, Any]:
        """Returns a payload by field name: integers unchanged, enumerations as words, levels as tuples."""
        if not self.fixed:
            value = _map(payload)
            if isinstance(value, bytes):
                return {"payload": value}
            return value if isinstance(value, dict) else {"value": value}
        if len(payload) < self.payload_bytes:
            raise SchemaMismatch(
                f"a {self.name} payload has {len(payload)} bytes, its schema says {self.payload_bytes}"
            )
        unpacker, plan = self._unpacker
        record: dict[str, Any] = {}
        for (name, how), value in zip(plan, unpacker.unpack_from(payload), strict=True):
            if how is None:
                record[name] = value
            elif how == "text":
                record[name] = _text(value)
            elif how == "wide":
                record[name] = int.from_bytes(value, "little", signed=True)
            else:
                record[name] = how[value] if value < len(how) else value
        if self.more is not None and len(payload) > self.payload_bytes:
            record[self.more] = _map(payload[self.payload_bytes :])
        if self.tail is not None:
            at = self.payload_bytes
            for name in self.tail:
                count = record[f"{name.removesuffix('s')}_count"]
                if len(payload) - at < count * _LEVEL.size:
                    raise SchemaMismatch(f"a {self.name} payload is shorter than its {name}")
                end = at + count * _LEVEL.size
                record[name] = list(_LEVEL.iter_unpack(payload[at:end]))
                at = end
        return record

    def rows(self, raw: NDArray[np.uint8]) -> NDArray[np.void]:
        """Returns (n, header + fixed part) bytes as a structured array, without a copy."""
        return raw.reshape(-1).view(self.row_dtype)

    def to_preamble(self) -> bytes:
        fields = [
            [f.name, f.kind, f.width, f.offset, None if f.names is None else ",".join(f.names)] for f in self.fields
        ]
        return msgspec.msgpack.encode(
            {
                "id": self.id,
                "name": self.name,
                "fixed": self.fixed,
                "bytes": self.payload_bytes,
                "fields": fields,
                "tail": None if self.tail is None else ",".join(self.tail),
            }
        )


def _structured(layout: dict[str, Any] | list[tuple[str, str]]) -> np.dtype[np.void]:
    import numpy as np

    make: Any = np.dtype  # the overloads do not accept such a dict
    made: np.dtype[np.void] = make(layout)
    return made


def _map(payload: bytes | memoryview) -> Any:
    try:
        return msgspec.msgpack.decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError):  # no text, no time, too deep
        return bytes(payload)  # the frame is valid, its writer was wrong


def _text(value: bytes) -> str | bytes:
    """Returns zero-padded UTF-8 as text; other bytes (a uuid) unchanged."""
    stripped = value.rstrip(b"\0")
    try:
        text = stripped.decode()
    except UnicodeDecodeError:
        return value
    return text if text.isprintable() else value


def _schema(
    id_: int,
    name: str,
    fixed: bool,
    payload_bytes: int,
    fields: Iterable[tuple[str, str, int, int, str | None]],
    tail: str | None,
) -> EventSchema:
    return EventSchema(
        id=id_,
        name=name,
        fixed=fixed,
        payload_bytes=payload_bytes,
        fields=tuple(
            Field(n, kind, width, offset, None if names is None else tuple(names.split(",")))
            for n, kind, width, offset, names in fields
        ),
        tail=None if tail is None else tuple(tail.split(",")),
    )


_BUILT_IN: dict[int, EventSchema] = {
    spec[0]: _schema(spec[0], spec[1], spec[2], spec[3], spec[4], spec[5]) for spec in _core.event_specs()
}
_PREAMBLE: list[tuple[int, int, bytes]] = [
    (SCHEMA_ENTRY_TYPE, schema.id, schema.to_preamble()) for schema in _BUILT_IN.values()
]


def built_in() -> Mapping[int, EventSchema]:
    """Returns the schemas of this build, by type id."""
    return _BUILT_IN


def schema_preamble() -> list[tuple[int, int, bytes]]:
    """Returns the schemas of this build as preamble entries (type, stream, payload)."""
    return list(_PREAMBLE)


class Schemas:
    """The schemas and instruments of a segment's preamble; instruments are added by later frames."""

    def __init__(self, preamble: Iterable[tuple[int, int, bytes]] = ()) -> None:
        self.by_id: dict[int, EventSchema] = {}
        self._by_name: dict[str, EventSchema] = {}  # schemas already looked up
        self.instruments: dict[int, dict[str, Any]] = {}
        for type_, stream, payload in preamble:
            if type_ == SCHEMA_ENTRY_TYPE:
                self._add(payload)
            elif type_ == INSTRUMENT_TYPE:
                self.instruments[stream] = msgspec.msgpack.decode(payload)
        if not self.by_id:
            self.by_id = dict(_BUILT_IN)

    def _add(self, payload: bytes) -> None:
        record = msgspec.msgpack.decode(payload)
        schema = _schema(
            record["id"], record["name"], record["fixed"], record["bytes"], record["fields"], record["tail"]
        )
        # Use the shared built-in object for an identical schema: its caches are warm.
        own = _BUILT_IN.get(schema.id)
        self.by_id[schema.id] = own if own == schema else schema
        self._by_name.clear()

    def named(self, name: str) -> EventSchema:
        if (found := self._by_name.get(name)) is not None:
            return found
        for schema in self.by_id.values():
            if schema.name == name:
                self._by_name[name] = schema
                return schema
        names = ", ".join(sorted(s.name for s in self.by_id.values()))
        raise SchemaMismatch(f"no event type {name!r} on this tape", todo=f"it has: {names}")

    def of(self, type_: int) -> EventSchema:
        """Returns the schema of a type id; one that the tape does not describe is read as MessagePack."""
        found = self.by_id.get(type_)
        if found is None:
            found = EventSchema(type_, f"type_{type_}", False)
            self.by_id[type_] = found
        return found

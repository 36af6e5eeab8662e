"""Read and write fixed payloads of this build by field names.

    bid_and_ask = fields("quote", "bid", "ask")
    bid, ask = bid_and_ask.unpack_from(frame.payload)

The only definition of the layout is `core/journal/events.cpp`. A tape of an older layout is read by its own schema
(`onetape.tape.schema`).
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Final

from onetape.model.errors import InvariantViolation
from onetape.tape.schema import EventSchema, Field, built_in

__all__ = ["LEVEL", "fields", "offset_of"]

LEVEL: Final = struct.Struct("<qq")  # price and size: a book's follow its fixed part


@cache
def fields(event: str, *names: str) -> struct.Struct:
    """Returns a struct of some fields of an event type, of all when names are missing. It spans the whole fixed
    part: other fields are skipped when it reads, and 0 when it writes. A field of 16 bytes is two values, its low
    and high half; an enumeration is its number.

    names: in the order of the layout. Raises InvariantViolation for a missing name, or one out of order."""
    schema = _schema(event)
    wanted = [_named(schema, name) for name in names] or [item for item in schema.fields if item.kind not in "xk"]
    codes, end = ["<"], 0
    for item in wanted:
        if item.offset < end:
            raise InvariantViolation(f"{event}: {item.name} comes before the field named ahead of it")
        codes += ["x" * (item.offset - end), item.code]
        end = item.offset + item.width
    return struct.Struct("".join([*codes, "x" * (schema.payload_bytes - end)]))


def offset_of(event: str, name: str) -> int:
    """Returns where a field begins, in bytes. Raises InvariantViolation for a missing field."""
    return _named(_schema(event), name).offset


def _schema(event: str) -> EventSchema:
    found = next((schema for schema in built_in().values() if schema.name == event), None)
    if found is None or not found.fixed:
        raise InvariantViolation(f"no event type with a fixed layout: {event!r}")
    return found


def _named(schema: EventSchema, name: str) -> Field:
    found = next((item for item in schema.fields if item.name == name and item.kind not in "xk"), None)
    if found is None:
        raise InvariantViolation(f"{schema.name} has no field {name!r}")
    return found

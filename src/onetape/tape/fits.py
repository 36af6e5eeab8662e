"""Check each frame's content against its type: after a failure, not while reading.

A checksum proves that a frame is as written, not that its content makes sense. Checking every
frame of every tape before use would cost more than the use; so readers trust frames, and after a
failure this check finds out whether the tape is the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.enums import EventType
from onetape.model.errors import OnetapeError, SchemaMismatch, TornTape
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader
from onetape.tape.messages import COLD
from onetape.tape.schema import INSTRUMENT_TYPE, MARKET_TYPES, EventSchema

__all__ = ["misfit"]

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "text": (str,),
    "whole": (int,),
    "flag": (bool,),
    "number": (int, float),
    "table": (dict,),
    "list": (list,),
    "units": (int, str),
    "decimal": (str,),
    "any": (object,),
}
_OF_INSTRUMENTS: Final = MARKET_TYPES | {EventType.ORDER_REQUEST.id, EventType.ORDER_EVENT.id, EventType.FILL.id}
# Their keys are the user's, or a strategy's.
_FREE: Final = frozenset({"memory", "log"})


def misfit(tapes: Iterable[Path]) -> OnetapeError | None:
    """Returns the first frame of these tapes with invalid content: SchemaMismatch, or TornTape for a wrong checksum.
    None: all are valid."""
    for path in dict.fromkeys(tapes):
        try:
            with JournalReader(path) as reader:
                if (found := _first(reader)) is not None:
                    return SchemaMismatch(found, location=str(path), todo="another program has written or changed it")
        except TornTape as error:
            return error
        except (OnetapeError, OSError):
            continue  # the tape no longer exists
    return None


def _first(reader: JournalReader) -> str | None:
    streams = set(reader.instruments)
    while (raw := reader.next_raw()) is not None:
        type_, _, sequence, _, stream, payload = raw
        schema = reader.schemas.of(type_)
        if not payload and schema.name in _FREE:
            continue  # a robot without memory
        try:
            if type_ == INSTRUMENT_TYPE:
                Instrument.from_msgpack(payload)
                streams.add(stream)
                continue
            value = None if schema.fixed else msgspec.msgpack.decode(payload)
            data = schema.decode(payload) if value is None else value
        except (OnetapeError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            what = error.what if isinstance(error, OnetapeError) else str(error)
            return f"frame {sequence}, {schema.name}: {what}"
        wrong = _wrong_fields(schema, data) if schema.fixed else _wrong_keys(schema.name, data)
        if wrong is None and type_ in _OF_INSTRUMENTS and stream not in streams:
            wrong = f"no frame before it names instrument {stream}"
        if wrong is not None:
            return f"frame {sequence}, {schema.name}: {wrong}"
    return None


def _wrong_fields(schema: EventSchema, data: Mapping[str, Any]) -> str | None:
    for field in schema.fields:
        value = data.get(field.name)
        if field.names is not None and isinstance(value, int):
            return f"{field.name} is {value}, which has no name"
        if field.kind == "c" and isinstance(value, bytes) and field.width != 16:
            return f"{field.name} is no text"
        if field.kind == "k" and isinstance(value, bytes):
            return f"{field.name} is no map"
    return None


def _wrong_keys(name: str, data: Any) -> str | None:
    if name == "command" and isinstance(data, list):
        return None  # a request to a simulated exchange, in the venue's format
    if not isinstance(data, dict):
        return f"a map, not {type(data).__name__}"
    kinds = COLD.get(name)
    if kinds is None or name in _FREE:
        return None
    for key, value in data.items():
        kind = kinds.get(key) if isinstance(key, str) else None
        if kind is None:
            return f"{key!r} is no key of it"
        if value is not None and not isinstance(value, _KINDS[kind]):
            return f"{key} is {type(value).__name__}, not {kind}"
        if kind == "whole" and isinstance(value, bool):
            return f"{key} is true or false, not a whole number"
    return None

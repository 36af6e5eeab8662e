"""Describe every event as JSON Schema: the lines of `journal cat --jsonl`.

Types with a fixed layout describe themselves (core/journal/events.cpp). Cold ones carry MessagePack
maps whose keys are listed only here, and compared with those that processes write. A reader ignores
unknown keys: keys are added, none is renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.instrument import Instrument
from onetape.tape.render import shown_key
from onetape.tape.schema import EventSchema, Field, built_in

__all__ = ["DRAFT", "event_schema", "event_schemas"]

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

INTEGER: Final = {"type": "integer"}
TEXT: Final = {"type": "string"}
DECIMAL: Final = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
# Prices and sizes: text where the tape has the instrument, else units as stored.
UNITS: Final = {"anyOf": [DECIMAL, INTEGER]}
_BY_NAME: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": TEXT,
    "whole": INTEGER,
    "flag": {"type": "boolean"},
    "number": {"type": "number"},
    "number or null": {"type": ["number", "null"]},
    "table": {"type": "object"},
    "list": {"type": "array"},
    "units": UNITS,
    "any": {},
    "decimal": DECIMAL,
}

# Keys of maps of cold types, each with its kind; which of them are present depends on the writer.
COLD: Final[Mapping[str, Mapping[str, str]]] = {
    "balance": {
        "brought": "text",
        "currency": "text", "total": "text", "source": "text", "ts_event": "whole",
        "reference": "text", "account": "text", "balance": "text", "equity": "text", "moved": "text",
    },
    "position": {
        "symbol": "text", "side": "text", "qty": "whole", "price": "whole", "source": "text",
        "ts_event": "whole", "reference": "text",
    },
    "transfer": {
        "id": "text", "state": "text", "kind": "text", "currency": "text", "amount": "text",
        "symbol": "text", "source": "list", "target": "list", "slot": "whole", "asked": "whole",
        "sent": "whole", "first_sent": "whole", "tries": "whole", "deadline": "whole",
        "venue_id": "text", "reason": "text", "is_told": "flag", "txid": "text", "fee": "text",
    },
    "command": {
        "id": "text", "actor": "text", "target": "text", "command": "text", "fields": "table",
        "refused": "table", "after": "list", "process": "text",
        "kind": "text", "seed": "whole", "start": "whole", "schema": "whole", "value": "list",
    },
    "reply": {
        "id": "text", "status": "text", "result": "any", "error": "any",
        "robot": "whole", "order": "whole", "reason": "text", "symbol": "text", "period": "whole",
        "first": "whole", "last": "whole", "bars": "whole",
    },
    "alert": {
        "kind": "text", "subject": "text", "state": "text", "severity": "text", "type": "text",
        "message": "text", "time": "whole", "more": "whole", "callback": "text", "error": "text",
        "where": "text", "traceback": "text", "symbol": "text", "currency": "text",
        "assets": "text", "debts": "text", "price": "any", "size": "any",
    },
    "health": {
        "kind": "text", "subject": "text", "state": "text", "severity": "text", "reason": "text",
        "pid": "whole", "started": "whole", "restarts": "whole", "after": "whole",
        "others": "list", "robot": "whole", "behind_ms": "whole", "why": "text",
        "since": "whole", "until": "whole", "silent_ms": "whole", "topic": "text",
        "expected": "whole", "got": "whole", "missing": "whole", "count": "whole", "head": "text",
        "maker": "text", "taker": "text", "volume": "text", "currency": "text", "assets": "text",
        "debts": "text", "number": "whole", "sources": "list", "ended": "list", "source": "text",
        "event": "text", "source_sequence": "whole", "about": "table", "epoch": "whole",
        "bound_ns": "whole",
    },
    "external": {
        "type": "text", "topic": "text", "source": "text", "ts_event": "whole",
        "ts_recv": "whole", "sequence": "whole", "data": "any",
    },
    "params": {
        "strategy": "text", "params": "table", "seed": "whole", "durability": "text",
        "bar_source": "text", "from": "text", "configured": "table", "changed": "table",
        "stopped": "flag", "life": "whole", "start": "whole", "position": "whole",
        "reached": "whole", "cash": "table", "hedge": "flag", "on_error": "text",
        "robot": "whole", "order_base": "whole", "account": "text", "currencies": "table",
        "since": "whole", "run_from": "whole", "heard": "whole", "restart": "text",
        "slot": "whole", "leverage": "number", "entries_after": "whole", "others": "table",
        "memory": "any", "tapes": "list", "positions": "list", "name": "text",
        "epoch": "whole", "journal": "text", "taken": "whole", "currency": "whole",
        "slots": "table", "rate": "whole", "history": "list",
        "venue": "text", "more": "list", "accounts": "table",
        "opened": "whole", "by_hand": "table",
        "market": "list", "market_more": "list", "market_from": "whole", "market_named": "flag",
    },
    "log": {"level": "text", "text": "text", "fields": "table"},
    "memory": {},
    "signal": {
        "id": "whole", "symbol": "text", "direction": "text", "cause": "whole", "facts": "table",
    },
    "target": {"id": "whole", "symbol": "text", "qty": "text", "signal": "whole"},
    "cycle": {
        "end": "text", "within": "text", "slot": "whole", "robot": "whole", "refused": "text",
    },
    "plot": {"name": "text", "value": "number or null", "location": "text"},
    "entry": {
        "cause": "text", "legs": "list", "note": "text", "of": "whole", "reference": "text",
        "time": "whole",
    },
}  # fmt: skip


def event_schemas() -> dict[str, dict[str, Any]]:
    """Returns the schemas by event name, in the order of their numbers."""
    return {schema.name: event_schema(schema) for schema in built_in().values()}


def event_schema(schema: EventSchema) -> dict[str, Any]:
    """Returns the schema of one line. Keys that it does not name belong to newer versions, and to the user."""
    properties: dict[str, Any] = {
        "sequence": INTEGER,
        "time": {**INTEGER, "description": "ns UTC"},
        "type": {"const": schema.name},
        "flags": INTEGER,
        "stream": INTEGER,
        "symbol": TEXT,
    }
    required = ["sequence", "time", "type", "flags", "stream"]
    if schema.name == "instrument":
        made = msgspec.json.schema(Instrument)
        facts = made["$defs"]["Instrument"]
        found = {name: _inlined(each, made["$defs"]) for name, each in facts["properties"].items()}
        for name, each in found.items():
            properties[shown_key(schema.name, name, is_same=True)] = each
        required += facts["required"]
    elif schema.fixed:
        for item in schema.fields:
            if item.name == schema.more:  # not in every line
                properties[item.name] = _BY_NAME["table"]
            elif item.kind != "x":
                key = shown_key(schema.name, item.name)
                properties[key] = _of_field(item)
                required.append(key)
        for name in schema.tail or ():
            level = {"type": "array", "prefixItems": [UNITS, UNITS], "minItems": 2, "maxItems": 2}
            properties[name] = {"type": "array", "items": level}
            required.append(name)
    else:
        for name, kind in COLD[schema.name].items():
            key = shown_key(schema.name, name, is_same=name == "symbol")
            properties[key] = _BY_NAME[kind]
    return {
        "title": schema.name,
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "required": sorted(set(required)),
    }


def _of_field(item: Field) -> dict[str, Any]:
    if item.names is not None:
        return {"anyOf": [{"enum": list(item.names)}, INTEGER]}
    match item.kind:
        case "p" | "s":
            return UNITS
        case "m" | "r":
            return DECIMAL
        case "c":
            return TEXT
    return UNITS if item.width == 16 else {**INTEGER}


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    """Resolves references: a schema is self-contained."""
    if isinstance(value, dict):
        if "$ref" in value:
            return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(each, definitions) for key, each in value.items()}
    return [_inlined(each, definitions) for each in value] if isinstance(value, list | tuple) else value

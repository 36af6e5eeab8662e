"""Render a record for people and JSON: flat, prices and sizes as exact decimal text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from onetape.model.decimals import decimal_text, scaled
from onetape.model.money import RATE_DECIMALS, money_text
from onetape.tape.journal import Record
from onetape.tape.schema import EventSchema

__all__ = ["ID_PARTS", "id_text", "render", "shown_key"]

_FRAME_KEYS = ("sequence", "time", "type", "flags", "stream", "symbol")

# A venue's id is stored as two words and its kind: an integer, a UUID, or up to 16 bytes of text.
ID_PARTS: Final = frozenset({"id_low", "id_high", "id_kind"})


def render(record: Record, schema: EventSchema, instruments: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns flat fields of a record. Without its instrument, integers stay as they are.

    A payload field with the name of a frame field gets the type as a prefix: `type` of an order_request is
    `order_type`. An id is given as its parts and as the combined `id`.
    """
    instrument = instruments.get(record.stream)
    shown: dict[str, Any] = {
        "sequence": record.sequence,
        "time": record.time,
        "type": record.type,
        "flags": record.flags,
        "stream": record.stream,
    }
    if instrument is not None and "symbol" in instrument:
        shown["symbol"] = instrument["symbol"]
    kinds = {field.name: field.kind for field in schema.fields}
    for name, value in record.data.items():
        is_same = name == "symbol" and shown.get("symbol") == value
        key = shown_key(record.type, name, is_same=is_same)
        if schema.tail is not None and name in schema.tail:
            shown[key] = [[_shown("price", "p", p, instrument), _shown("size", "s", s, instrument)] for p, s in value]
        else:
            shown[key] = _shown(name, kinds.get(name, ""), value, instrument)
    if record.data.keys() >= ID_PARTS:
        shown.setdefault("id", id_text(record.data))
    return shown


def id_text(data: Mapping[str, Any]) -> str:
    """Returns the id from a payload's id_low, id_high and id_kind; empty where the venue has sent none."""
    kind = data["id_kind"]
    if kind == "integer":
        return str(data["id_low"])
    raw = data["id_low"].to_bytes(8, "little") + data["id_high"].to_bytes(8, "little")
    if kind == "uuid":
        return str(UUID(bytes=raw))
    return raw.rstrip(b"\0").decode("utf-8", "replace") if kind == "text" else ""


def shown_key(event: str, name: str, *, is_same: bool = False) -> str:
    """Returns the name of a payload's field in a line. is_same: it has the same meaning as the frame's field."""
    return f"{event.split('_')[0]}_{name}" if name in _FRAME_KEYS and not is_same else name


def _shown(name: str, kind: str, value: Any, instrument: Mapping[str, Any] | None) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if kind == "m":
        return money_text(value)
    if kind == "r":
        return decimal_text(scaled(value, RATE_DECIMALS))
    if instrument is None or not isinstance(value, int):
        return value
    price = instrument.get("price_decimals")
    size = instrument.get("size_decimals")
    if kind == "p" and price is not None:
        return decimal_text(scaled(value, price))
    if kind == "s" and size is not None:
        return decimal_text(scaled(value, size))
    if name == "turnover" and price is not None and size is not None:
        return decimal_text(scaled(value, price + size))
    return value

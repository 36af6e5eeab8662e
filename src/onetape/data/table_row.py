"""Convert a decoded frame to a row of a table: with the symbol instead of the stream, decimals instead of units, and
one id instead of its three parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from onetape.model.money import MONEY_DECIMALS, RATE_DECIMALS
from onetape.tape.journal import JournalReader, Record
from onetape.tape.render import ID_PARTS, id_text
from onetape.tape.schema import EventSchema

# The form of a column: an integer, text, an exact decimal, or a list of [price, size].
ColumnForm = Literal["integer", "text", "decimal", "levels"]

_HEADER: Final = ("sequence", "time", "symbol", "flags")


@dataclass(frozen=True, slots=True)
class Column:
    """Name and form of a column."""

    name: str
    form: ColumnForm


# A decimal: (units, decimals). Levels: a list of (price units, price decimals, size units, ...).
Units = tuple[int, int]


class RowMaker:
    """Makes rows of the tape that `reader` reads, by the schemas and instruments on that tape."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._kinds: dict[str, list[tuple[str, str]]] = {}

    def shape(self, event: str) -> list[Column]:
        """Returns the columns of an event type: those of the frame, then those of the payload."""
        schema = self._reader.schemas.named(event)
        header = [Column(name, "text" if name == "symbol" else "integer") for name in _HEADER]
        if not schema.fixed:
            return [*header, Column("data", "text")]
        return header + [Column(name, _FORMS[kind]) for name, kind in self._fields(schema)]

    def row(self, record: Record) -> list[Any]:
        """Returns values in the order of the columns; decimals as (units, decimals)."""
        instrument = self._reader.instruments.get(record.stream, {})
        row: list[Any] = [record.sequence, record.time, str(instrument.get("symbol", "")), record.flags]
        kinds = self._kinds.get(record.type)
        data = record.data
        if kinds is None:
            row.append(msgspec.json.encode(data, enc_hook=_plain).decode())
            return row
        price_decimals = int(instrument.get("price_decimals", 0))
        size_decimals = int(instrument.get("size_decimals", 0))
        for name, kind in kinds:
            if kind == "id":
                row.append(id_text(data))
            elif kind == "p":
                row.append((data[name], price_decimals))
            elif kind == "s":
                row.append((data[name], size_decimals))
            elif kind == "turnover":
                row.append((data[name], price_decimals + size_decimals))
            elif kind == "m":
                row.append((data[name], MONEY_DECIMALS))
            elif kind == "r":
                row.append((data[name], RATE_DECIMALS))
            elif kind == "levels":
                row.append([((price, price_decimals), (size, size_decimals)) for price, size in data[name]])
            elif kind == "c":
                value = data[name]
                row.append(value if isinstance(value, str) else bytes(value).hex())
            elif kind == "k":
                more = data.get(name)
                text = "" if more is None else msgspec.json.encode(more, enc_hook=_plain).decode()
                row.append(text)
            else:
                row.append(data[name])
        return row

    def _fields(self, schema: EventSchema) -> list[tuple[str, str]]:
        kinds: list[tuple[str, str]] = []
        names = {item.name for item in schema.fields}
        for item in schema.fields:
            if item.kind == "x":
                continue
            if names >= ID_PARTS and item.name in ID_PARTS:
                if item.name == "id_low":
                    kinds.append(("id", "id"))
            elif item.name == "turnover":
                kinds.append((item.name, "turnover"))
            else:
                kinds.append((item.name, item.kind))
        kinds += [(name, "levels") for name in schema.tail or ()]
        self._kinds[schema.name] = kinds
        return kinds


_FORMS: Final[dict[str, ColumnForm]] = {
    "i": "integer",
    "u": "integer",
    "t": "integer",
    "p": "decimal",
    "s": "decimal",
    "m": "decimal",
    "r": "decimal",
    "turnover": "decimal",
    "c": "text",
    "e": "text",
    "k": "text",
    "id": "text",
    "levels": "levels",
}


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)


def decimal_text(value: Units) -> str:
    """Returns an exact number with all decimals of the instrument: (618002, 1) is 61800.2."""
    units, decimals = value
    if decimals == 0:
        return str(units)
    digits = str(abs(units)).rjust(decimals + 1, "0")
    return f"{'-' if units < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"

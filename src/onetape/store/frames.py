"""Returns events of a journal as a polars frame, with prices and sizes in the instruments' own units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onetape.model.errors import NotAvailable, SchemaMismatch
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    import polars as pl

__all__ = ["event_frame", "instruments_of", "money_floats"]

_RATE = 1e12
_MONEY = 1e18


def money_floats(low: Any, high: Any) -> Any:
    """Converts int128 of 1e-18, as two columns of 64 bits, to floats in units of the currency."""
    return high * (2.0**64 / _MONEY) + low / _MONEY


def event_frame(path: Path, kind: str, *, sequence_max: int | None = None) -> pl.DataFrame:
    """Returns all events of type `kind`, in tape order. Fixed types by columns, the others by records."""
    try:
        import polars as pl
    except ImportError:
        raise NotAvailable("frames need polars", location="events", todo="pip install 'onetape[research]'") from None
    with JournalReader(path) as reader:
        schema = reader.schemas.named(kind)
        if not schema.fixed or kind == "book":
            rows = []
            for record in reader:
                if record.type != kind:
                    continue
                if sequence_max is not None and record.sequence > sequence_max:
                    break
                rows.append({"time": record.time, "stream": record.stream, **record.data})
            symbols = {s: i.get("symbol", "") for s, i in reader.instruments.items()}
            if not rows:
                return pl.DataFrame()
            frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
            return frame.with_columns(
                pl.col("time").cast(pl.Datetime("ns", "UTC")),
                pl.col("stream").replace_strict(symbols, default="").alias("symbol"),
            ).drop("stream")
        columns_of = reader.columns(kind)
        # Instruments that came after the first segment are known after the pass.
        instruments = instruments_of(path)
    if sequence_max is not None:
        keep = columns_of["sequence"] <= sequence_max
        columns_of = {name: column[keep] for name, column in columns_of.items()}
    if not len(columns_of["time"]):
        return pl.DataFrame()
    streams = columns_of["stream"]
    # Sorted numbers instead of a table: a stream may be up to 2^32.
    numbers = np.array(sorted({0, *instruments}), dtype=streams.dtype)
    places = np.minimum(np.searchsorted(numbers, streams), len(numbers) - 1)
    if (strange := streams[numbers[places] != streams]).size:
        raise SchemaMismatch(f"{kind} of instrument {strange[0]}, which the tape does not name", location=str(path))
    facts = [instruments.get(int(number), {}) for number in numbers]
    price_scale = np.array([10.0 ** each.get("price_decimals", 0) for each in facts])[places]
    size_scale = np.array([10.0 ** each.get("size_decimals", 0) for each in facts])[places]
    symbols_of = [each.get("symbol", "") for each in facts]
    columns: dict[str, Any] = {
        "time": pl.Series(columns_of["time"]).cast(pl.Datetime("ns", "UTC")),
        "symbol": pl.Series(symbols_of).gather(pl.Series(places)),
    }
    for field in schema.fields:
        if field.kind in "xk":
            continue
        if field.width == 16 and f"{field.name}_low" in columns_of:
            low, high = columns_of[f"{field.name}_low"], columns_of[f"{field.name}_high"]
            columns[field.name] = money_floats(low, high) * (1.0 if field.kind == "m" else _MONEY)
            continue
        columns[field.name] = _column(field, columns_of[field.name], price_scale, size_scale)
    if "fee_currency" in columns:
        columns["fee_currency"] = _fee_currencies(path, instruments, streams, columns_of)
    if kind == "order_event":
        columns["reason"] = _reasons(path, kind, columns_of)
    return pl.DataFrame(columns, schema_overrides={"reason": pl.String})


def _fee_currencies(path: Path, instruments: Any, streams: Any, columns_of: Any) -> list[str]:
    """Returns the currency names: 0 is the settle currency, the others are the gateway's numbers."""
    names = fee_currency_names(path)
    settles = {stream: str(facts.get("settle", "")) for stream, facts in instruments.items()}
    return [
        names.get(number, "") if number else settles.get(stream, "")
        for number, stream in zip(columns_of["fee_currency"].tolist(), streams.tolist(), strict=True)
    ]


def fee_currency_names(path: Path) -> dict[int, str]:
    """Returns the names for the numbers of `fee_currency` on a tape of a gateway or of a live run."""
    found: dict[int, str] = {}
    with JournalReader(path) as reader:
        for frame in reader.frames(types=["params"]):
            found |= named_currencies(reader.schemas.of(frame.type).decode(frame.payload))
    return found


def named_currencies(params: dict[str, Any]) -> dict[int, str]:
    """Returns the currencies that one `params` record names: a gateway's has one, that of a robot's incarnation all."""
    if isinstance(params.get("currencies"), dict):
        return {number: name for name, number in params["currencies"].items()}
    return {params["currency"]: params["name"]} if {"currency", "name"} <= params.keys() else {}


def _reasons(path: Path, kind: str, columns_of: Any) -> list[str | None]:
    """Returns the reason texts of the frames."""
    words: dict[int, str] = {}
    if columns_of.get("code", np.zeros(0)).any():
        with JournalReader(path) as reader:
            for frame in reader.frames(types=[kind]):
                schema = reader.schemas.of(frame.type)
                if len(frame.payload) > schema.payload_bytes:
                    more = schema.decode(frame.payload).get(schema.more or "", {})
                    if "reason" in more:
                        words[frame.sequence] = more["reason"]
    return [words.get(sequence) for sequence in columns_of["sequence"].tolist()]


def _column(field: Any, values: Any, price_scale: Any, size_scale: Any) -> Any:
    import polars as pl

    match field.kind:
        case "p":
            return values / price_scale
        case "s":
            return values / size_scale
        case "r":
            return values / _RATE
        case "e":
            names = list(field.names)
            return pl.Series(names).gather(pl.Series(np.minimum(values, len(names) - 1).astype(np.uint32)))
        case "c":
            return [bytes(v).rstrip(b"\0").decode("utf-8", "replace") for v in values]
        case _:
            return values


def instruments_of(path: Path) -> dict[int, dict[str, Any]]:
    """Returns stream -> facts for each stream of a tape, in its last version."""
    with JournalReader(path) as reader:
        found = dict(reader.instruments)
        for frame in reader.frames(types=["instrument"]):
            Instrument.from_msgpack(frame.payload)  # raises the reason
            found[frame.stream] = reader.schemas.of(frame.type).decode(frame.payload)
    return found

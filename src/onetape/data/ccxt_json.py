"""`ccxt`: what fetch_ohlcv and fetch_trades give, as JSON: one list, or one row a line.

Structures by the library's manual ("OHLCV structure", "Public trade structure"), read 2026-11:
[ms, open, high, low, close, volume], and objects with timestamp, symbol, id, side, price, amount.
Numbers are taken as they are written, never through a float.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from onetape.data.layout import HEAD_BYTES, Layout, Planned, TableOptions, TableSource
from onetape.model.errors import BadInput

ROWS_TRIED: Final = 20  # a few bad rows at the front do not make another kind
OHLCV: Final = {"ts_event": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
TRADE_KEYS: Final = ("timestamp", "symbol", "id", "side", "price", "amount")
TRADE: Final = {"ts_event": 0, "symbol": 1, "id": 2, "side": 3, "price": 4, "size": 5}


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Raises BadInput for JSON that is neither candles nor trades."""
    row = first_row(source, lambda row: is_candle(row) or is_trade(row))
    if is_candle(row):
        return Planned(source, candles(row))
    if is_trade(row):
        columns = dict(TRADE)
        if not any(each.get("symbol") for each in _head_rows(source) if isinstance(each, dict)):
            del columns["symbol"]
        return Planned(source, Layout("trades", columns, form="json", keys=TRADE_KEYS))
    raise BadInput(
        f"is neither OHLCV nor trades: its first row is {json.dumps(row)[:80]}",
        location=source.name,
        todo="give what fetch_ohlcv or fetch_trades answered, as JSON",
    )


def candles(row: list[Any]) -> Layout:
    """[ms, open, high, low, close, volume]; a volume that is not known is null, or not there."""
    columns = {name: place for name, place in OHLCV.items() if place < len(row)}
    return Layout("bars", columns, form="json", fields=min(len(row), 6), blank=("volume",))


def is_candle(row: object) -> bool:
    """Five numbers and a volume."""
    return (
        isinstance(row, list)
        and len(row) in {5, 6}
        and all(_is_number(value) for value in row[:5])
        and all(value is None or _is_number(value) for value in row[5:])
    )


def is_trade(row: object) -> bool:
    """An object with time, price and amount."""
    return isinstance(row, dict) and {"timestamp", "price", "amount"} <= row.keys()


def first_row(source: TableSource, is_good: Callable[[Any], bool]) -> Any:
    """Returns the first good row of a list of rows, or of rows without a list; fractions stay text.

    Of the first few: else the very first, for the refusal to show. Raises BadInput where there is
    none at all.
    """
    rows: list[Any] = []
    for row in islice(_head_rows(source), ROWS_TRIED):
        rows.append(row)
        if is_good(row):
            return row
    return rows[0]


def _head_rows(source: TableSource) -> Iterator[Any]:
    """Gives the rows at the beginning, fractions as text. Raises BadInput where there is none."""
    raw = source.head(HEAD_BYTES)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:100]:
        raise BadInput("is no text in UTF-8", location=source.name, todo="look at its encoding")
    text = raw.decode("utf-8", "replace").lstrip("\ufeff").lstrip()
    if not text:
        raise BadInput("is empty", location=source.name)
    inside = text[1:].lstrip() if text.startswith("[") else ""
    at = inside if inside.startswith(("[", "{")) else text
    if text.startswith("[") and inside.startswith("]"):
        raise BadInput("is an empty list", location=source.name)
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    place = count = 0
    while True:
        try:
            row, place = decoder.raw_decode(at, place)
        except (ValueError, RecursionError):
            break
        count += 1
        yield row
        while place < len(at) and at[place] in ", \r\n\t":
            place += 1
    if not count:
        raise BadInput(
            f"is no JSON, or its first row is cut: it begins with {text[:60]!a}",
            location=source.name,
            todo="look at its first lines, and at its KIND",
        )


def _is_number(value: object) -> bool:
    if not isinstance(value, str) or not value:
        return False
    return value.lstrip("-")[:1].isdigit() or value in {"NaN", "Infinity", "-Infinity"}

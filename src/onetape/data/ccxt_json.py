"""Read kind `ccxt`: results of fetch_ohlcv and fetch_trades as JSON: one list, or one row a line.

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

ROWS_TRIED: Final = 20  # a few bad rows at the front do not change the kind
OHLCV: Final = {"ts_event": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
TRADE_KEYS: Final = ("timestamp", "symbol", "id", "side", "price", "amount")
TRADE: Final = {"ts_event": 0, "symbol": 1, "id": 2, "side": 3, "price": 4, "size": 5}


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for JSON that is neither candles nor trades."""
    row = first_row(source, lambda row: is_candle(row) or is_trade(row))
    if is_candle(row):
        return Planned(source, candles(row))
    if is_trade(row):
        columns = dict(TRADE)
        if not any(each.get("symbol") for each in _head_rows(source) if isinstance(each, dict)):
            del columns["symbol"]
        return Planned(source, Layout("trades", columns, form="json", keys=TRADE_KEYS))
    raise BadInput(
        f"the file has neither OHLCV nor trades: its first row is {json.dumps(row)[:80]}",
        location=source.name,
        todo="give the JSON answer of fetch_ohlcv or fetch_trades",
    )


def candles(row: list[Any]) -> Layout:
    """Returns the layout of [ms, open, high, low, close, volume]; an unknown volume is null or missing."""
    columns = {name: place for name, place in OHLCV.items() if place < len(row)}
    return Layout("bars", columns, form="json", fields=min(len(row), 6), blank=("volume",))


def is_candle(row: object) -> bool:
    """Returns True for five numbers and a volume."""
    return (
        isinstance(row, list)
        and len(row) in {5, 6}
        and all(_is_number(value) for value in row[:5])
        and all(value is None or _is_number(value) for value in row[5:])
    )


def is_trade(row: object) -> bool:
    """Returns True for an object with time, price and amount."""
    return isinstance(row, dict) and {"timestamp", "price", "amount"} <= row.keys()


def first_row(source: TableSource, is_good: Callable[[Any], bool]) -> Any:
    """Returns the first good row of a list of rows, or of rows without a list; fractions stay text.

    Only the first few rows are checked; if none is good, the very first is returned, for an error to show. Raises
    BadInput without any row.
    """
    rows: list[Any] = []
    for row in islice(_head_rows(source), ROWS_TRIED):
        rows.append(row)
        if is_good(row):
            return row
    return rows[0]


def _head_rows(source: TableSource) -> Iterator[Any]:
    """Yields the first rows, fractions as text. Raises BadInput without any."""
    raw = source.head(HEAD_BYTES)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:100]:
        raise BadInput("the file is not text in UTF-8", location=source.name, todo="check its encoding")
    text = raw.decode("utf-8", "replace").lstrip("\ufeff").lstrip()
    if not text:
        raise BadInput("the file is empty", location=source.name, todo="download it again")
    inside = text[1:].lstrip() if text.startswith("[") else ""
    at = inside if inside.startswith(("[", "{")) else text
    if text.startswith("[") and inside.startswith("]"):
        raise BadInput("the file is an empty list", location=source.name)
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
            f"the file is no JSON, or its first row is cut: it begins with {text[:60]!a}",
            location=source.name,
            todo="check its first lines and its KIND",
        )


def _is_number(value: object) -> bool:
    if not isinstance(value, str) or not value:
        return False
    return value.lstrip("-")[:1].isdigit() or value in {"NaN", "Infinity", "-Infinity"}

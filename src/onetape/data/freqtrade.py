"""Read kind `freqtrade`: files of its data folder (candles, trades, funding rates and marks) as Feather, JSON or CSV.

Layouts from its documentation "Data downloading" and its data handlers, read 2026-11. A file's name says what it has:
PAIR-TIMEFRAME[-futures|-mark|-funding_rate], PAIR-trades, the pair with underscores (XRP_USDT_USDT is XRP/USDT:USDT).
Funding rates and marks are candles: a rate is the open of the candle at its settlement, a mark is the close of its
candle, known then. Trades are rows of ms, id, type, side, price, amount, cost. CSV files have a header, or are Kraken's
archive: s, price, amount.

Floats of Feather are taken with the 15 digits that a double holds exactly; JSON numbers as written.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from onetape.data import csv_layout
from onetape.data.arrow import MAGIC, OLD_MAGIC, ArrowCells, ArrowSource
from onetape.data.ccxt_json import candles, first_row, is_candle
from onetape.data.columns import settle_shape, split_header
from onetape.data.layout import Layout, Planned, TableOptions, TableSource, stem, text_head
from onetape.data.source import Source
from onetape.model.errors import BadInput
from onetape.model.time import parse_period

PAIR: Final = re.compile(r"([A-Za-z0-9]+(?:_[A-Za-z0-9]+){1,2})-")
TIMEFRAME: Final = re.compile(r"-(\d+[smhdwM])(?:-|\Z)")
CANDLE: Final = ("open", "high", "low", "close", "volume")
TRADE_ROW: Final = {"ts_event": 0, "id": 1, "side": 3, "price": 4, "size": 5}
ARCHIVE_ROW: Final = {"ts_event": 0, "price": 1, "size": 2}


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for other files, NotAvailable for Feather without the extra."""
    head = source.head(100)
    if head.startswith(OLD_MAGIC):
        raise BadInput("the file is Feather version 1", location=source.name, todo="write it as Feather version 2")
    if head.startswith(MAGIC):
        assert isinstance(source, Source)
        return _of_table(ArrowSource(source))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"[", b"{"}:
        return Planned(source, _of_json(source))
    return _of_text(source, options)


def _of_table(source: ArrowSource) -> Planned:
    """Read candles as numbers; tables with texts are read as a data frame."""
    types = source.columns()
    if types.get("date") == "time" and all(types.get(name) == "number" for name in CANDLE):
        places = {name: place for place, name in enumerate(CANDLE, 1)}
        layout = _named(source, places)
        columns = layout.columns | {"ts_event": 0}
        layout = replace(layout, columns=columns, form="packed", fields=len(CANDLE) + 1)
        return Planned(ArrowCells(source, "date", CANDLE), layout)
    names = split_header(source.head().decode().split("\n", 1)[0], ",")
    if {"date", "open", "high", "low", "close"} <= set(names):
        layout = _named(source, {name: names.index(name) for name in names if name != "date"})
        columns = layout.columns | {"ts_event": names.index("date")}
        layout = replace(layout, columns=columns, fields=len(names), skip_lines=1)
        return Planned(source, layout)
    shape = settle_shape(names, location=source.name, chosen=False)
    layout = csv_layout.of_shape(shape, ",", 1)
    return Planned(source, replace(layout, raw=_pair(source), ignored=()))


def _of_json(source: TableSource) -> Layout:
    row = first_row(source, lambda row: is_candle(row) or is_trade_row(row))
    if is_candle(row):
        layout = candles(row)
        named = _named(source, layout.columns)
        columns = named.columns | {"ts_event": 0}
        return replace(named, columns=columns, form="json", fields=layout.fields, blank=("volume",))
    if is_trade_row(row):
        return Layout("trades", dict(TRADE_ROW), form="json", fields=6, raw=_pair(source))
    raise BadInput(
        "the file has neither candles nor trades of freqtrade",
        location=source.name,
        todo="candles are [[ms,open,high,low,close,volume],..], trades [[ms,id,type,side,price,amount,cost],..]",
    )


def _of_text(source: TableSource, options: TableOptions) -> Planned:
    head = text_head(source)
    cells = split_header(head.first, ",")
    if len(cells) == 3 and csv_layout.is_time(cells, 0):
        layout = Layout("trades", dict(ARCHIVE_ROW), fields=3, skip_lines=head.skipped, raw=_pair(source))
        return Planned(source, layout)
    planned = csv_layout.plan(source, options)
    assert planned.layout is not None
    return replace(planned, layout=replace(planned.layout, raw=_pair(source)))


def _named(source: TableSource, places: dict[str, int]) -> Layout:
    """Apply the file's name to candles; returns columns without their time."""
    name = stem(source)
    found = TIMEFRAME.search(name)
    period = parse_period(found[1]) if found and found[1][-1] != "M" else 0
    if "-funding" in name:
        return Layout("funding", {"rate": places["open"]}, raw=_pair(source))
    if re.search(r"-mark(-|\Z)", name):
        return Layout("marks", {"mark": places["close"]}, period_ns=period, raw=_pair(source))
    if re.search(r"-(index|premiumIndex)(-|\Z)", name):
        raise BadInput("the file has candles of an index, which freqtrade does not use", location=source.name)
    columns = {name: place for name, place in places.items() if name in CANDLE}
    return Layout("bars", columns, period_ns=period, raw=_pair(source))


def is_named(source: TableSource) -> bool:
    """Returns True for a file name of freqtrade, which gives the period or says that the file has funding rates."""
    name = stem(source)
    return bool(PAIR.match(name) and (TIMEFRAME.search(name) or "-funding" in name))


def _pair(source: TableSource) -> str:
    match = PAIR.match(stem(source))
    return match[1].upper() if match else ""


def is_trade_row(row: Any) -> bool:
    """Returns True for [ms, id, type, side, price, amount, cost]."""
    return (
        isinstance(row, list)
        and len(row) in {6, 7}
        and isinstance(row[0], str)
        and row[0].isdigit()
        and str(row[3]).lower() in {"buy", "sell", "none"}
    )

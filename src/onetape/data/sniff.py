"""Recognize a file by its beginning: for `backtest --data FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from onetape.data import binance_vision, hftbacktest, moex, tardis
from onetape.data.capture import first_receipt
from onetape.data.ccxt_json import first_row, is_candle, is_trade
from onetape.data.columns import split_header
from onetape.data.cryptofeed_lines import is_recording
from onetape.data.csv_layout import is_time, recognise
from onetape.data.freqtrade import is_named, is_trade_row
from onetape.data.parquet import MAGIC as PARQUET_MAGIC
from onetape.data.source import FOREIGN_MAGICS, Source, open_sources
from onetape.model.errors import BadInput, UnknownFormat
from onetape.tape.segments import is_tape

Sniffed = Literal[
    "tape",
    "csv",
    "parquet",
    "binance-raw",
    "binance-vision",
    "tardis",
    "ccxt",
    "freqtrade",
    "hftbacktest",
    "moex",
    "cryptofeed",
]
ARROW_MAGIC: Final = next(magic for magic, form in FOREIGN_MAGICS.items() if form == "Arrow")


def sniff(path: Path) -> Sniffed:
    """Returns `tape` for a directory of segments, else the KIND of the file's beginning. Raises BadInput for a
    missing path, UnknownFormat for an unknown format.
    """
    if path.is_dir():
        if is_tape(path):
            return "tape"
        raise UnknownFormat("the folder holds no tape", location=str(path), todo="name a tape or a file")
    if not path.exists():
        raise BadInput("there is no such file or tape", location=str(path), todo="check the path")
    sources = open_sources([path], accept=("Arrow", "Parquet"))
    source = next((s for s in sources if s.member == hftbacktest.ARRAY), sources[0])
    head = source.head()
    if head.startswith(ARROW_MAGIC):
        return "freqtrade"
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith(hftbacktest.MAGIC):
        return "hftbacktest"
    try:
        first_receipt(source)
    except BadInput:
        pass
    else:
        return "binance-raw"
    if is_recording(head):
        return "cryptofeed"
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    if text.lstrip()[:1] in {"[", "{"}:
        found = _of_json(source)
        if found is not None:
            return found
    return _of_text(text, source)


def _of_json(source: Source) -> Sniffed | None:
    try:
        row = first_row(source, lambda row: is_candle(row) or is_trade(row) or is_trade_row(row))
    except BadInput:
        return None
    if is_candle(row):
        return "freqtrade" if is_named(source) else "ccxt"
    if is_trade(row):
        return "ccxt"
    return "freqtrade" if is_trade_row(row) else None


def _of_text(text: str, source: Source) -> Sniffed:
    lines = [line for line in text.splitlines() if line.strip()][:20]
    line = lines[0] if lines else ""
    cells = split_header(line, ",")
    if tardis.layout_of(cells, source.name) is not None:
        return "tardis"
    if binance_vision.of_header(cells) or binance_vision.of_row(cells):
        return "binance-vision"
    if any(moex.of_row(split_header(row, ",")) is not None for row in lines[:2]):
        return "moex"
    if len(cells) == 3 and is_time(cells, 0):
        return "freqtrade"
    try:
        recognise(source)
    except BadInput as error:
        raise UnknownFormat(
            "the file is no tape, no capture and no known table",
            location=source.name,
            todo=f"as a table: {error.what}; {error.todo}",
        ) from None
    return "csv"

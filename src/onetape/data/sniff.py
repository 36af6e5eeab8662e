"""What a file is, by its beginning: for `backtest --data FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from onetape.data.capture import first_receipt
from onetape.data.columns import find_separator, settle_shape, split_header
from onetape.data.cryptofeed_lines import is_recording
from onetape.data.source import open_sources
from onetape.data.staging import SEGMENT
from onetape.model.errors import BadInput, UnknownFormat, UsageError

Sniffed = Literal["tape", "csv", "binance-raw", "cryptofeed"]


def sniff(path: Path) -> Sniffed:
    """`tape` for a directory of segments, else the KIND whose beginning the file has.

    Raises UsageError where there is nothing, UnknownFormat where it is none we know.
    """
    if path.is_dir():
        if any(SEGMENT.match(entry.name) for entry in path.iterdir()):
            return "tape"
        raise UnknownFormat(
            "is a folder without segments", where=str(path), todo="name a tape or a file"
        )
    if not path.exists():
        raise UsageError("is not there", where=str(path), todo="check the path")
    source = open_sources([path])[0]
    try:
        first_receipt(source)
    except BadInput:
        pass
    else:
        return "binance-raw"
    begin = source.head()
    if is_recording(begin):
        return "cryptofeed"
    head = begin.decode("utf-8", "replace")
    line = next((line for line in head.splitlines() if line.strip()), "")
    try:
        settle_shape(split_header(line, find_separator(line)), where=source.name, given=False)
    except BadInput as error:
        raise UnknownFormat(
            "is no tape, no capture and no table that is known",
            where=source.name,
            todo=f"as a table: {error.what}; {error.todo}",
        ) from None
    return "csv"

"""Read kind `tardis`: downloadable CSV files of tardis.dev, with column names.

Layouts from its documentation, "Downloadable CSV files: data types", read 2026-11. Stamps are microseconds: `timestamp`
is the exchange's, `local_timestamp` the receipt. Rows of incremental_book_L2 with the same local_timestamp were one
message; a snapshot after changes begins the book anew.
"""

from __future__ import annotations

import re
from typing import Final

from onetape.data.columns import split_header
from onetape.data.layout import Layout, Planned, RowKind, TableOptions, TableSource, text_head
from onetape.model.errors import BadInput

_COMMON: Final = {"ts_event": "timestamp", "ts_recv": "local_timestamp", "symbol": "symbol"}
_TRADES: Final = {"id": "id", "side": "side", "price": "price", "size": "amount"}
_QUOTES: Final = {"ask_size": "ask_amount", "ask": "ask_price", "bid": "bid_price", "bid_size": "bid_amount"}
_CHANGES: Final = {"is_snapshot": "is_snapshot", "side": "side", "price": "price", "size": "amount"}
_TICKER: Final = {
    "funding_time": "funding_timestamp",
    "rate": "funding_rate",
    "index": "index_price",
    "mark": "mark_price",
    "open_interest": "open_interest",
}
BLANK: Final = (*_TICKER, "bid", "bid_size", "ask", "ask_size", "ts_recv")
_LEVEL: Final = re.compile(r"(asks|bids)\[(\d{1,4})\]\.(price|amount)\Z")
DERIVED_NOTE: Final = "tardis quotes are the top of books that tardis built; book_ticker has the venue's own"
READ: Final = (
    "trades, quotes, book_ticker, book_snapshot_5, book_snapshot_25, incremental_book_L2, "
    "derivative_ticker, liquidations"
)


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for an unknown header."""
    head = text_head(source)
    cells = split_header(head.first, ",")
    layout = layout_of(cells, source.name)
    if layout is None:
        raise BadInput(
            f"the file is no known CSV file of tardis: the header is {', '.join(cells)[:200]!a}",
            location=source.name,
            todo=f"onetape reads {READ}",
        )
    kind, columns, levels = layout
    note = ""
    if kind == "quotes" and "book_ticker" not in source.name:
        note = DERIVED_NOTE
    return Planned(
        source,
        Layout(kind, columns, fields=len(cells), skip_lines=head.skipped + 1, blank=BLANK, levels=levels, note=note),
    )


Found = tuple[RowKind, dict[str, int], list[tuple[int, int, int, int]]]


def layout_of(cells: list[str], name: str) -> Found | None:
    """Returns the layout of a header; None for an unknown one. Liquidations are recognized only by the file's name."""
    places = {cell: place for place, cell in enumerate(cells)}
    if any(column not in places for column in ("exchange", *_COMMON.values())):
        return None
    forms: list[tuple[RowKind, dict[str, str]]] = [
        ("book_changes", _CHANGES),
        ("tickers", _TICKER),
        ("quotes", _QUOTES),
        ("liquidations" if "liquidations" in name else "trades", _TRADES),
    ]
    for kind, names in forms:
        if all(column in places for column in names.values()):
            return kind, {ours: places[theirs] for ours, theirs in (_COMMON | names).items()}, []
    levels = _levels(cells)
    if levels:
        return "book_snapshots", {ours: places[theirs] for ours, theirs in _COMMON.items()}, levels
    return None


def _levels(cells: list[str]) -> list[tuple[int, int, int, int]]:
    found: dict[tuple[str, int, str], int] = {}
    for place, cell in enumerate(cells):
        match = _LEVEL.match(cell)
        if match:
            found[match[1], int(match[2]), match[3]] = place
    levels: list[tuple[int, int, int, int]] = []
    while True:
        n = len(levels)
        keys = [(side, n, of) for side in ("bids", "asks") for of in ("price", "amount")]
        if any(key not in found for key in keys):
            return levels if len(found) == 4 * n else []
        bid, bid_size, ask, ask_size = (found[key] for key in keys)
        levels.append((bid, bid_size, ask, ask_size))

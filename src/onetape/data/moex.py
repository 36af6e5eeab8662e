"""Read kind `moex`: dumps of the Moscow Exchange's best quotes (`stats`) and trades, as CSV.

Columns as in the files of the public repository semenmsu/yard (simulator/readers), read 2026-11:

    trades  SecurityID,MDUpdateAction,MDEntryType,SettleType,MDEntryTime,SendingTime,PacketTime,
            price,size,side,PriceType,TradingSessionID,TradingSessionSubID
    stats   number,symbol,bid|ask,action,MDEntryTime,SendingTime,PacketTime,price,size[,type,
            session,subsession]

Times are ns: MDEntryTime is the venue's, PacketTime the receipt. Prices and sizes are in millionths (65585000 is
65.585), but plain in a file whose prices have points. A row of stats is one side of the top of the book, action 2
removes it; each becomes a quote with the other side's last value. Instruments of one file are distinguished by name;
all boards of a name (CETS, TQBR, negotiated deals) count.
"""

from __future__ import annotations

from typing import Final

from onetape import _core
from onetape.data.columns import split_header
from onetape.data.layout import Layout, Planned, RowKind, TableOptions, TableSource, text_head
from onetape.model.errors import BadInput
from onetape.model.time import DAY

IMPLIED_DECIMALS: Final = 6
MUCH_LARGER: Final = 1000  # factor over the prices with points: far from both 1 and a million
_TRADES: Final = {"symbol": 0, "ts_event": 4, "ts_recv": 6, "price": 7, "size": 8, "side": 9}
_SHORT_TRADES: Final = {"symbol": 0, "ts_event": 1, "ts_recv": 3, "price": 4, "size": 5, "side": 6}
_STATS: Final = {"symbol": 1, "side": 2, "action": 3, "ts_event": 4, "ts_recv": 6, "price": 7, "size": 8}


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for data that are neither stats nor trades."""
    head = text_head(source)
    rows = [split_header(line, ",") for line in head.lines[:20] if line.strip()]
    for cells in rows:
        found = of_row(cells)
        if found is not None:
            kind, columns = found
            if not _has_receipt(cells, columns):
                columns = {name: place for name, place in columns.items() if name != "ts_recv"}
            # A damaged first row is no header; it is rejected during reading.
            has_header = not any(cell[:1].isdigit() for cell in rows[0])
            return Planned(
                source,
                Layout(
                    kind,
                    columns,
                    fields=len(cells),
                    skip_lines=head.skipped + (1 if has_header else 0),
                    blank=("ts_recv",),
                    implied_decimals=0 if _has_points(rows) else IMPLIED_DECIMALS,
                ),
            )
    raise BadInput(
        f"the file has neither stats nor trades of the exchange: its first line is {head.first[:80]!a}",
        location=source.name,
        todo="its rows must be number,symbol,bid|ask,action,time,.. or symbol,action,type,settle,time,..",
    )


def of_row(cells: list[str]) -> tuple[RowKind, dict[str, int]] | None:
    """Returns the type of a row, by its columns."""
    if len(cells) in range(9, 14) and cells[2].lower() in {"bid", "ask"} and _is_row(cells, _STATS):
        return "sides", _STATS
    if len(cells) in range(10, 15) and _is_row(cells, _TRADES) and cells[9] in {"B", "S", ""}:
        return "trades", _TRADES
    if len(cells) == 7 and _is_row(cells, _SHORT_TRADES) and cells[6] in {"B", "S", ""}:
        return "trades", _SHORT_TRADES
    return None


def _has_points(rows: list[list[str]]) -> bool:
    """Returns True when prices are written with points, which applies to the whole file. Whole numbers among them, such
    as 65 beside 65.5, are plain too, unless they are so much larger that they must be millionths."""
    prices = [cells[of[1]["price"]] for cells in rows if (of := of_row(cells)) is not None]
    pointed = [abs(float(price)) for price in prices if "." in price]
    whole = [abs(float(price)) for price in prices if "." not in price]
    return bool(pointed) and max(whole, default=0.0) < MUCH_LARGER * max(pointed)


def _has_receipt(cells: list[str], columns: dict[str, int]) -> bool:
    """Returns True when PacketTime is a receipt: dumps without one leave it empty, or write other values."""
    text = cells[columns["ts_recv"]].strip()
    if not text:
        return True  # this row has no receipt; others may have one
    received, event = (_core.parse_time_text(cell) for cell in (text, cells[columns["ts_event"]]))
    return isinstance(received, int) and isinstance(event, int) and abs(received - event) < DAY


def _is_row(cells: list[str], columns: dict[str, int]) -> bool:
    """Returns True when the row's time and price are valid, so that it is no header."""
    if len(cells) <= max(columns.values()):
        return False
    return isinstance(_core.parse_time_text(cells[columns["ts_event"]]), int) and isinstance(
        _core.parse_decimal_text(cells[columns["price"]]), tuple
    )

"""Read kind `binance-vision`: the files of data.binance.vision, zipped or not, with and without headers.

Layouts from the venue's binance-public-data README and the files themselves, read 2026-11:
klines of 12 columns, aggTrades, trades, bookTicker, fundingRate, liquidationSnapshot, metrics, and klines of
mark and index prices. Spot files have stamps in microseconds since 2025-01-01; the magnitude shows the unit.
Only the folder distinguishes klines of marks or indices from those of trades: their file names are equal.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Final

from onetape.data.columns import split_header
from onetape.data.layout import Layout, Planned, RowKind, TableOptions, TableSource, stem, text_head
from onetape.model.errors import BadInput

# BTCUSDT-1m-2024-01, ETHUSD_PERP-aggTrades-2024-01-01, BTCUSDT_240329-fundingRate-2024-01.
NAME: Final = re.compile(
    r"(?P<raw>[^-]+)-(?P<what>[A-Za-z]+|\d+[a-z]+)(?:-\d{4}-\d{2}(?:-\d{2})?)?(?:[^A-Za-z0-9].*)?\Z"
)
INTERVAL: Final = re.compile(r"(1s|1m|3m|5m|15m|30m|1h|2h|4h|6h|8h|12h|1d|3d|1w|1mo|1M)\Z")

KLINE: Final = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
AGG_TRADES: Final = (
    "agg_trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "transact_time",
    "is_buyer_maker",
    "is_best_match",
)
TRADES: Final = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match")
BOOK_TICKER: Final = (
    "update_id",
    "best_bid_price",
    "best_bid_qty",
    "best_ask_price",
    "best_ask_qty",
    "transaction_time",
    "event_time",
)
METRICS: Final = ("create_time", "symbol", "sum_open_interest")  # also its value, and four ratios
FUNDING: Final = ("calc_time", "funding_interval_hours", "last_funding_rate")
LIQUIDATIONS: Final = (
    "time",
    "side",
    "order_type",
    "time_in_force",
    "original_quantity",
    "price",
    "average_price",
    "order_status",
    "last_fill_quantity",
    "accumulated_fill_quantity",
)

_BAR: Final = {
    "ts_event": "open_time",
    "close_time": "close_time",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "turnover": "quote_volume",
    "trades": "count",
}
# File type -> its columns in order, and our column -> the file's name of it.
_FORMS: Final[dict[str, tuple[RowKind, tuple[str, ...], dict[str, str]]]] = {
    "klines": ("bars", KLINE, _BAR),
    "markPriceKlines": ("marks", KLINE, {"ts_event": "open_time", "close_time": "close_time", "mark": "close"}),
    "indexPriceKlines": ("marks", KLINE, {"ts_event": "open_time", "close_time": "close_time", "index": "close"}),
    "aggTrades": (
        "trades",
        AGG_TRADES,
        {
            "ts_event": "transact_time",
            "price": "price",
            "size": "quantity",
            "id": "agg_trade_id",
            "buyer_is_maker": "is_buyer_maker",
        },
    ),
    "trades": (
        "trades",
        TRADES,
        {"ts_event": "time", "price": "price", "size": "qty", "id": "id", "buyer_is_maker": "is_buyer_maker"},
    ),
    "bookTicker": (
        "quotes",
        BOOK_TICKER,
        {
            "ts_event": "transaction_time",
            "update_id": "update_id",
            "bid": "best_bid_price",
            "bid_size": "best_bid_qty",
            "ask": "best_ask_price",
            "ask_size": "best_ask_qty",
        },
    ),
    "fundingRate": (
        "funding",
        FUNDING,
        {"ts_event": "calc_time", "interval_hours": "funding_interval_hours", "rate": "last_funding_rate"},
    ),
    "liquidationSnapshot": (
        "liquidations",
        LIQUIDATIONS,
        {"ts_event": "time", "side": "side", "price": "price", "size": "original_quantity"},
    ),
    "metrics": ("tickers", METRICS, {"ts_event": "create_time", "open_interest": "sum_open_interest"}),
}
_REFUSED: Final = {
    "bookDepth": "sums of depth within percentages of the price, and no book",
    "premiumIndexKlines": "premiums, and no prices",
    "BVOLIndex": "a volatility index",
    "EOHSummary": "hourly summaries of options",
}
# Combinations of column names that no other table has.
_SIGNS: Final = {
    "klines": {"open_time", "close_time"},
    "aggTrades": {"agg_trade_id"},
    "trades": {"id", "is_buyer_maker"},
    "bookTicker": {"best_bid_price", "best_ask_price"},
    "fundingRate": {"calc_time", "last_funding_rate"},
    "liquidationSnapshot": {"original_quantity", "order_status"},
    "bookDepth": {"percentage", "depth"},
    "metrics": {"create_time", "sum_open_interest"},
}


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for an unknown layout, or one without market events."""
    if str(getattr(source, "member", "")).endswith(".CHECKSUM"):
        return Planned(source, None, "checksum file")
    head = text_head(source)
    cells = split_header(head.first, ",")
    has_header = not _is_number(cells[0])
    raw, what = of_name(source)
    by_content = of_header(cells) if has_header else of_row(cells)
    what = what or by_content
    if what in _REFUSED:
        raise BadInput(f"the file is {what}: {_REFUSED[what]}", location=source.name, todo="leave it out")
    if what not in _FORMS or _contradicts(what, by_content):
        raise BadInput(
            f"the file is no known file of data.binance.vision: its first line is {head.first[:80]!a}",
            location=source.name,
            todo=f"onetape reads {', '.join(_FORMS)}, under the names that the venue gives them",
        )
    kind, names, ours = _FORMS[what]
    if has_header:
        names = tuple(cell.lower() for cell in cells)
        ours = {column: _alias(name, names) for column, name in ours.items()}
    columns = {column: names.index(name) for column, name in ours.items() if name in names}
    missing = [name for name in ours.values() if name not in names]
    if set(missing) - {"funding_interval_hours"}:
        raise BadInput(
            f"the file lacks {', '.join(missing)}: the header is {', '.join(cells)[:200]}",
            location=source.name,
            todo=f"{what} have {', '.join(_FORMS[what][1])}",
        )
    if what == "klines":
        _refuse_marks(head.lines[has_header:], columns, source)
        if "_" in raw:  # COIN-M, whose turnover is in coins, not price times size
            del columns["turnover"]
    if not has_header:
        _check_width(what, cells, source)
    layout = Layout(kind, columns, fields=len(cells), skip_lines=head.skipped + has_header, raw=raw)
    return Planned(source, layout)


def of_name(source: TableSource) -> tuple[str, str]:
    """Returns (raw symbol, type) from the file's name and folders, "" for what they do not say."""
    match = NAME.match(stem(source))
    if match is None:
        return "", ""
    raw, what = match["raw"].upper(), match["what"]
    if INTERVAL.match(what):
        parts: tuple[str, ...] = PurePath(getattr(source, "path", "")).parts
        parts += PurePath(getattr(source, "member", "")).parts
        kinds = {name for name in (*_FORMS, *_REFUSED) if name.lower().endswith("klines")}
        found = [part for part in parts if part in kinds]
        return raw, found[-1] if found else "klines"
    if what in _FORMS or what in _REFUSED:
        return raw, what
    return "", ""


def of_row(cells: list[str]) -> str:
    """Returns the type of a row without a header, by its columns; "" if unknown."""
    numbers = [_is_number(cell) for cell in cells]
    truths = [cell.lower() in {"true", "false"} for cell in cells]
    if len(cells) == 12 and all(numbers) and _is_stamp(cells[0]) and _is_stamp(cells[6]):
        return "klines"
    if len(cells) in {7, 8} and truths[6] and all(numbers[:6]) and _is_stamp(cells[5]):
        return "aggTrades"
    if len(cells) in {6, 7} and all(truths[5:]) and all(numbers[:5]) and _is_stamp(cells[4]):
        return "trades"
    if len(cells) == 7 and all(numbers) and _is_stamp(cells[5]) and _is_stamp(cells[6]):
        return "bookTicker"
    return ""


def of_header(cells: list[str]) -> str:
    """Returns the type of a header; "" if unknown."""
    names = {cell.lower() for cell in cells}
    return next((what for what, signs in _SIGNS.items() if signs <= names), "")


def _contradicts(what: str, by_content: str) -> bool:
    """Returns True when name and content disagree. Klines of marks look like klines: only the name may distinguish
    them."""
    return by_content not in {"", what} and not (by_content == "klines" and what.endswith("Klines"))


def _alias(name: str, names: tuple[str, ...]) -> str:
    """Returns our name of a header that some years write differently."""
    others: dict[str, Any] = {
        "quote_volume": ("quote_asset_volume", "base_asset_volume"),
        "count": ("trades", "number_of_trades"),
        "quantity": ("qty",),
        "transact_time": ("timestamp", "time"),
        "original_quantity": ("orig_quantity",),
    }
    return next((other for other in (name, *others.get(name, ())) if other in names), name)


def _refuse_marks(rows: list[str], columns: dict[str, int], source: TableSource) -> None:
    """Refuse klines of marks and indices, which count their samples and have no volume."""
    for row in rows[:50]:
        cells = split_header(row, ",")
        if len(cells) < 9:
            continue
        volume, count = cells[columns["volume"]], cells[columns["trades"]]
        if not volume.strip("0.") and count.strip("0."):
            raise BadInput(
                "the file has klines of mark or index prices (a count and no volume), and neither "
                "name nor folder says which",
                location=source.name,
                todo="put it into a folder called markPriceKlines or indexPriceKlines, as the venue has it",
            )


def _check_width(what: str, cells: list[str], source: TableSource) -> None:
    widths = {
        "klines": {12},
        "markPriceKlines": {12},
        "indexPriceKlines": {12},
        "aggTrades": {7, 8},
        "trades": {6, 7},
        "bookTicker": {6, 7},
        "fundingRate": {3},
        "liquidationSnapshot": {10},
        "metrics": {8},
    }[what]
    if len(cells) not in widths:
        raise BadInput(
            f"the rows have {len(cells)} columns, and {what} have {min(widths)}",
            location=source.name,
            todo="check its first lines",
        )


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", cell.strip()))


def _is_stamp(cell: str) -> bool:
    """Returns True for a time since the epoch in ms or us, of this century."""
    return bool(re.fullmatch(r"\d{13}|\d{16}", cell.strip()))

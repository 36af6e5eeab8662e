"""Which column of a table is what: the header's names decide, or `--columns`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from onetape.model.errors import BadInput, UsageError

TableKind = Literal["quotes", "trades", "bars", "orders"]

# Of several names that mean the same, the first one that is there is taken.
TIME_NAMES: Final = ("ts_event", "timestamp", "ts", "time", "date", "datetime")
SIZE_NAMES: Final = ("size", "amount")
# Currencies that prices are in.
MONEY: Final = frozenset(
    {"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "EUR", "GBP", "JPY", "RUB", "CHF"}
)
SEPARATORS: Final = (",", ";", "\t")

_NEEDED: Final[dict[TableKind, tuple[tuple[str, ...], ...]]] = {
    "bars": (("open",), ("high",), ("low",), ("close",)),
    "quotes": (("bid",), ("ask",)),
    "trades": (("price",), SIZE_NAMES),
    "orders": (("order_id",), ("action",), ("side",), ("price",), SIZE_NAMES),
}
_OPTIONAL: Final[dict[TableKind, tuple[str, ...]]] = {
    "bars": ("volume",),
    "quotes": ("bid_size", "ask_size"),
    "trades": ("side", "id"),
    "orders": ("flags", "last", "reported"),
}
ACCEPTED: Final = (
    f"{'|'.join(TIME_NAMES)} [ts_recv], then bid ask [bid_size ask_size], "
    "or price size|amount [side id], or open high low close [volume], "
    "or order_id action side price size|amount [flags last reported]"
)


# What exports of venues and charting programs call them, beside the names above. A name of ours
# that is there, too, goes first.
_ALIASES: Final = {
    "open time": "time", "open_time": "time", "opentime": "time", "unix": "time",
    "unix timestamp": "time", "unixtime": "time", "date time": "time", "gmt time": "time",
    "local time": "time", "transact_time": "time",
    "qty": "size", "quantity": "size", "last_qty": "size", "vol": "volume",
    "tick volume": "volume", "tick_volume": "volume", "tickvol": "volume",
    "trade_id": "id", "tradeid": "id", "trade id": "id",
    "bid_price": "bid", "best_bid": "bid", "best_bid_price": "bid", "bid price": "bid",
    "ask_price": "ask", "best_ask": "ask", "best_ask_price": "ask", "ask price": "ask",
    "bid_qty": "bid_size", "best_bid_qty": "bid_size", "bid_amount": "bid_size",
    "ask_qty": "ask_size", "best_ask_qty": "ask_size", "ask_amount": "ask_size",
}  # fmt: skip
_VOLUME_IN: Final = "volume "  # `Volume BTC`, beside `Volume USDT`: the first is the base's


@dataclass(frozen=True, slots=True)
class TableShape:
    """`columns` maps the core's names to places; `ignored` are names that mean nothing here,
    `renamed` what was read under another name (`Qty as size`)."""

    kind: TableKind
    columns: dict[str, int]
    fields: int
    ignored: tuple[str, ...]
    renamed: tuple[str, ...] = ()


def find_separator(line: str) -> str:
    """The one of comma, semicolon and tab that the line has most of; comma where it has none."""
    return max(SEPARATORS, key=line.count)


def split_header(line: str, separator: str) -> list[str]:
    """The names in a header line, without BOM, quotes and blanks around."""
    cells = next(csv.reader([line.lstrip("\ufeff")], delimiter=separator), [])
    return [cell.strip() for cell in cells]


def parse_columns(text: str | Sequence[str]) -> list[str]:
    """The names of `--columns a,b,..`. An empty one, `-` or `_` stands for a column to skip."""
    names = text.split(",") if isinstance(text, str) else list(text)
    names = [name.strip() for name in names]
    if not any(names):
        raise UsageError("names no column", where="--columns", todo=f"names are {ACCEPTED}")
    return ["" if name in {"-", "_"} else name for name in names]


def settle_shape(names: Sequence[str], *, where: str, given: bool) -> TableShape:
    """What the table is. `given`: the names are the user's, not a header's.

    Raises BadInput (UsageError where given) showing the names seen and those accepted.
    """
    lowered = _ours([name.lower() for name in names])
    places: dict[str, int] = {}
    for place, name in enumerate(lowered):
        places.setdefault(name, place)

    def first(options: Sequence[str]) -> str | None:
        return next((name for name in options if name in places), None)

    kinds = [kind for kind, needed in _NEEDED.items() if all(first(options) for options in needed)]
    time = first(TIME_NAMES)
    if not kinds or time is None:
        what = "no column is a time" if kinds else "the columns are neither quotes, trades nor bars"
        raise _refusal(what, names, where=where, given=given)
    if "orders" in kinds:
        kinds = [kind for kind in kinds if kind != "trades"]  # which have columns of the same names
    if len(kinds) > 1:
        raise _refusal(
            f"the columns are {' and '.join(sorted(kinds))} at once",
            names,
            where=where,
            given=given,
        )
    kind = kinds[0]
    columns = {"ts_event": places[time]}
    if "ts_recv" in places:
        columns["ts_recv"] = places["ts_recv"]
    for options in _NEEDED[kind]:
        found = first(options)
        if found is not None:
            name = {SIZE_NAMES: "size", ("order_id",): "id"}.get(tuple(options), found)
            columns[name] = places[found]
    columns |= {name: places[name] for name in _OPTIONAL[kind] if name in places}
    used = set(columns.values())
    for place in used:
        if lowered.count(lowered[place]) > 1:
            what = f"the column {lowered[place]} stands twice"
            raise _refusal(what, names, where=where, given=given)
    ignored = tuple(name for place, name in enumerate(names) if place not in used and name)
    renamed = tuple(
        f"{name} as {lowered[place]}"
        for place, name in enumerate(names)
        if place in used and name.lower() != lowered[place]
    )
    return TableShape(kind, columns, len(names), ignored, renamed)


def _ours(lowered: Sequence[str]) -> list[str]:
    """Each name as we call it; one that would stand for a column that is there keeps its own."""
    found = list(lowered)
    amounts = [
        place
        for place, name in enumerate(lowered)
        if name.startswith(_VOLUME_IN) and name not in _ALIASES
    ]
    # The quote's volume is money, and no number of what was traded.
    base = [p for p in amounts if lowered[p].removeprefix(_VOLUME_IN).upper() not in MONEY]
    for place, name in enumerate(lowered):
        ours = "volume" if place in base[:1] else _ALIASES.get(name)
        same = SIZE_NAMES if ours == "size" else (ours,)
        if ours is not None and not any(each in found for each in same):
            found[place] = ours
    return found


def _refusal(what: str, names: Sequence[str], *, where: str, given: bool) -> Exception:
    shown = ", ".join(name[:40] for name in names[:40]) or "nothing"
    kind = UsageError if given else BadInput
    return kind(
        f"{what}: the {'columns given are' if given else 'header is'} {shown}",
        where=where,
        todo=f"names accepted (any case) are {ACCEPTED}; name them with --columns",
    )

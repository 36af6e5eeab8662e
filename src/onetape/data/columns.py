"""Find the meaning of a table's columns, from the header's names or `--columns`."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from onetape.model.errors import BadInput, UsageError
from onetape.model.near import did_you_mean

TableKind = Literal["quotes", "trades", "bars", "orders", "funding", "tickers"]

# Of several synonyms, the first one present is used.
TIME_NAMES: Final = ("ts_event", "timestamp", "ts", "time", "date", "datetime")
SIZE_NAMES: Final = ("size", "amount")
# Currencies used for prices.
MONEY: Final = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "EUR", "GBP", "JPY", "RUB", "CHF"})

_NEEDED: Final[dict[TableKind, tuple[tuple[str, ...], ...]]] = {
    "bars": (("open",), ("high",), ("low",), ("close",)),
    "quotes": (("bid",), ("ask",)),
    "trades": (("price",), SIZE_NAMES),
    "orders": (("order_id",), ("action",), ("side",), ("price",), SIZE_NAMES),
    "funding": (("rate",),),
    "tickers": (("mark", "open_interest"),),
}
_OPTIONAL: Final[dict[TableKind, tuple[str, ...]]] = {
    "bars": ("volume", "symbol"),
    "quotes": ("bid_size", "ask_size", "symbol"),
    "trades": ("side", "id", "symbol"),
    "orders": ("flags", "last", "reported", "symbol"),
    "funding": ("mark", "interval_hours", "symbol"),
    "tickers": ("open_interest", "index", "rate", "funding_time", "symbol"),
}
# A table with one of these columns is of that kind, even if it also has prices.
_LAST: Final[tuple[TableKind, ...]] = ("funding", "tickers")
# Names allowed in `--columns name=header`.
_OURS: Final = tuple(
    dict.fromkeys(
        [*TIME_NAMES, "ts_recv"]
        + [name for needed in _NEEDED.values() for options in needed for name in options]
        + [name for names in _OPTIONAL.values() for name in names]
    )
)
# Names of prices and sizes.
NUMBERS: Final = frozenset(
    {"open", "high", "low", "close", "volume", "price", "size", "bid", "ask", "bid_size", "ask_size"}
    | {"rate", "mark", "index", "open_interest"}
)
ACCEPTED: Final = (
    f"{'|'.join(TIME_NAMES)} [ts_recv], then bid ask [bid_size ask_size], "
    "or price size|amount [side id], or open high low close [volume], "
    "or order_id action side price size|amount [flags last reported], or rate [mark interval_hours], "
    "or mark|open_interest [index rate funding_time], each with [symbol]"
)


# Further names, in exports of venues and charting programs. Our own names take precedence.
_ALIASES: Final = {
    "open time": "time", "open_time": "time", "opentime": "time", "unix": "time",
    "unix timestamp": "time", "unixtime": "time", "date time": "time", "gmt time": "time",
    "local time": "time", "transact_time": "time", "dtyyyymmdd": "date",
    "qty": "size", "quantity": "size", "last_qty": "size", "vol": "volume",
    "tick volume": "volume", "tick_volume": "volume", "tickvol": "volume",
    "trade_id": "id", "tradeid": "id", "trade id": "id",
    "bid_price": "bid", "best_bid": "bid", "best_bid_price": "bid", "bid price": "bid",
    "ask_price": "ask", "best_ask": "ask", "best_ask_price": "ask", "ask price": "ask",
    "bid_qty": "bid_size", "best_bid_qty": "bid_size", "bid_amount": "bid_size",
    "ask_qty": "ask_size", "best_ask_qty": "ask_size", "ask_amount": "ask_size",
    "funding_rate": "rate", "fundingrate": "rate", "funding rate": "rate", "last_funding_rate": "rate",
    "funding": "rate", "funding_interval_hours": "interval_hours", "fundingtime": "time", "calc_time": "time",
    "mark_price": "mark", "markprice": "mark", "mark price": "mark", "index_price": "index", "indexprice": "index",
    "openinterest": "open_interest", "open interest": "open_interest", "sum_open_interest": "open_interest",
    "sumopeninterest": "open_interest", "next_funding_time": "funding_time", "nextfundingtime": "funding_time",
    "funding_timestamp": "funding_time",
    "ticker": "symbol", "pair": "symbol", "instrument": "symbol", "sym": "symbol", "tic": "symbol",
}  # fmt: skip
# `Date(UTC)`, `timestamp_utc`: the header names the zone.
_SAYS_UTC: Final = re.compile(r"(?<=\w)[ _]?(?:\(utc\)|(?<=[ _])utc)\Z")
_VOLUME_IN: Final = "volume "  # of `Volume BTC` and `Volume USDT`, the first is the base volume


@dataclass(frozen=True, slots=True)
class TableShape:
    """The meaning of a table's columns. columns: the core's name -> index; ignored: names that mean nothing here;
    renamed: columns read under another name (`Qty as size`). day_and_clock: the indices of a date and a time of day in
    separate columns, to be confirmed by the cells."""

    kind: TableKind
    columns: dict[str, int]
    fields: int
    ignored: tuple[str, ...]
    renamed: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    day_and_clock: tuple[int, int] | None = None

    @property
    def says_utc(self) -> bool:
        """True when the name of the time column contains the zone: `Date(UTC)`."""
        return bool(_SAYS_UTC.search(self.names[self.columns["ts_event"]].lower()))


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """The columns chosen by `--columns`: the names of all columns in order, or our name -> header of some."""

    listed: tuple[str, ...] = ()
    picked: Mapping[str, str] = field(default_factory=dict)


def find_separator(line: str) -> str:
    """Returns the most frequent of comma, semicolon, tab and `|` in the line; comma if there is none. If another sign
    is as frequent as the comma, it is the separator: the commas separate decimals or thousands.
    """
    found = max((";", "\t", "|", ","), key=line.count)
    return found if found in line else ","


def split_row(line: str, separator: str) -> list[str]:
    """Returns the cells of a line, without their quotes; the whole line as one cell if it cannot be split."""
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a NUL, a line end or 128 KiB in a cell
        return [line]


def split_header(line: str, separator: str) -> list[str]:
    """Returns the names in a header line, without BOM, quotes and surrounding blanks."""
    return [cell.strip() for cell in split_row(line.lstrip("\ufeff"), separator)]


def parse_columns(chosen: str | Sequence[str]) -> ChosenColumns:
    """Parse `a,b,..`, where an empty name, `-` or `_` skips a column; or `name=header,..`. Raises UsageError for an
    unknown name.
    """
    texts = [chosen] if isinstance(chosen, str) else list(chosen)
    pairs = [text for text in texts if "=" in text]
    if not pairs:
        names = texts[0].split(",") if len(texts) == 1 else texts
        names = [name.strip() for name in names]
        if not any(names):
            raise UsageError("names no column", location="--columns", todo=f"names are {ACCEPTED}")
        return ChosenColumns(tuple("" if name in {"-", "_"} else name for name in names))
    if len(pairs) < len(texts):
        raise UsageError("names in order and name=header at once", location="--columns", todo="give one of them")
    picked: dict[str, str] = {}
    for text in pairs:
        parts = text.split(",")
        # A header may contain a comma.
        for part in parts if all("=" in part for part in parts) else [text]:
            name, _, header = (each.strip() for each in part.partition("="))
            name = name.lower()
            if name not in _OURS:
                near = did_you_mean(name, _OURS)
                raise UsageError(
                    f"no column is called {name!r}",
                    location="--columns",
                    todo=f"{near}; names are {', '.join(_OURS)}" if near else f"names are {', '.join(_OURS)}",
                )
            if not header or name in picked:
                raise UsageError(
                    f"{name} {'stands twice' if header else 'has no header'}",
                    location="--columns",
                    todo=f"write {name}=HEADER once",
                )
            picked[name] = header
    return ChosenColumns(picked=picked)


def settle_shape(
    names: Sequence[str], *, location: str, chosen: bool, picked: Mapping[str, str] | None = None
) -> TableShape:
    """Returns the table's kind and columns. `chosen`: the names are the user's, not a header's. `picked`: our name ->
    header, which overrides the names' usual meaning. Raises BadInput (UsageError if the names are the user's), showing
    the names seen and those accepted.
    """
    lowered = _ours([_bare(name) for name in names])
    if picked:
        _pick(lowered, names, picked, location)
    places: dict[str, int] = {}
    for place, name in enumerate(lowered):
        places.setdefault(name, place)

    def first(options: Sequence[str]) -> str | None:
        return next((name for name in options if name in places), None)

    kinds = [kind for kind, needed in _NEEDED.items() if all(first(options) for options in needed)]
    time = first(TIME_NAMES)
    if not kinds or time is None:
        what = "no column is a time" if kinds else _no_kind(places)
        raise _refusal(what, names, location=location, chosen=chosen)
    if "orders" in kinds:
        kinds = [kind for kind in kinds if kind != "trades"]  # trades have columns of the same names
    kinds = [kind for kind in kinds if kind not in _LAST] or kinds
    if set(kinds) == set(_LAST):  # a payment has the mark at its time
        kinds = ["tickers" if places.keys() & {"open_interest", "funding_time"} else "funding"]
    if len(kinds) > 1:
        raise _refusal(
            f"the columns are {' and '.join(sorted(kinds))} at once", names, location=location, chosen=chosen
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
            raise _refusal(what, names, location=location, chosen=chosen)
    ignored = tuple(name for place, name in enumerate(names) if place not in used and name)
    renamed = tuple(
        f"{name} as {lowered[place]}"
        for place, name in enumerate(names)
        if place in used and _bare(name) != lowered[place]
    )
    both = (places["date"], places["time"]) if {"date", "time"} <= places.keys() else None
    if time not in {"date", "time"}:
        both = None
    return TableShape(kind, columns, len(names), ignored, renamed, tuple(names), both)


def _no_kind(names: Collection[str]) -> str:
    """Returns the error text for columns that fit no kind, with the columns that the nearest kind lacks."""
    what = "the columns are neither quotes, trades, bars, marks nor funding"
    lacks = {
        kind: [options[0] for options in needed if not any(name in names for name in options)]
        for kind, needed in _NEEDED.items()
    }
    near = min(lacks, key=lambda kind: len(lacks[kind]) / len(_NEEDED[kind]))
    if len(lacks[near]) == len(_NEEDED[near]):
        return what
    return f"{what} ({near} also need {' and '.join(lacks[near])})"


def _bare(name: str) -> str:
    """Normalize a name: `<CLOSE>` is close, and `Date(UTC)` a date."""
    return _SAYS_UTC.sub("", name.strip().strip("<>").lower()).strip()


def _pick(lowered: list[str], names: Sequence[str], picked: Mapping[str, str], location: str) -> None:
    """Rename the chosen headers to our names, so that no other column gets these names."""
    places: dict[int, str] = {}
    for ours, header in picked.items():
        found = [i for i, name in enumerate(names) if name == header] or [
            i for i, name in enumerate(names) if name.lower() == header.lower()
        ]
        if len(found) != 1:
            has = ", ".join(name[:40] for name in names[:40])
            raise UsageError(
                f"{location} has {'several columns' if found else 'no column'} {header!r}",
                location="--columns",
                todo=did_you_mean(header, list(names)) or f"it has {has}",
            )
        places[found[0]] = ours
    if len(places) < len(picked):
        raise UsageError("gives two names to one column", location="--columns")
    times = [ours for ours in picked if ours in TIME_NAMES]
    if set(times) != {"date", "time"} and len(times) > 1:
        raise UsageError(
            f"names several times: {', '.join(times)}",
            location="--columns",
            todo="give one, or date= and time= of two columns",
        )
    for place, ours in places.items():
        if ours in TIME_NAMES and len(times) == 1:
            ours = TIME_NAMES[0]
        elif ours in SIZE_NAMES:
            ours = SIZE_NAMES[0]
        hidden = TIME_NAMES[:3] if len(times) == 2 and ours in times else ()
        for other, name in enumerate(lowered):
            if name == ours or name in hidden:
                lowered[other] = ""
        lowered[place] = ours


def _ours(lowered: Sequence[str]) -> list[str]:
    """Returns our name for each column; a column whose new name is taken already keeps its own."""
    found = list(lowered)
    amounts = [place for place, name in enumerate(lowered) if name.startswith(_VOLUME_IN) and name not in _ALIASES]
    # The quote volume is money, not a traded quantity.
    base = [p for p in amounts if lowered[p].removeprefix(_VOLUME_IN).upper() not in MONEY]
    for place, name in enumerate(lowered):
        ours = "volume" if place in base[:1] else _ALIASES.get(name)
        same = SIZE_NAMES if ours == "size" else (ours,)
        if ours is not None and not any(each in found for each in same):
            found[place] = ours
    return found


def _refusal(what: str, names: Sequence[str], *, location: str, chosen: bool) -> Exception:
    shown = ", ".join(name[:40] for name in names[:40]) or "nothing"
    kind = UsageError if chosen else BadInput
    return kind(
        f"{what}: the {'columns given are' if chosen else 'header is'} {shown}",
        location=location,
        todo=f"names accepted (any case) are {ACCEPTED}; name them with --columns "
        "name=header, or a,b,.. where there is no header",
    )

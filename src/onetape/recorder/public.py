"""Publishes chosen figures as static files: JSON, and a page that needs no server. Delayed on purpose, and without
accounts, orders, transfers or prices; strategies by their names if these are chosen."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.money import money_text, text_units
from onetape.model.time import DAY, MINUTE, SECOND, format_time
from onetape.store.record_queries import equity, ledger, result_of
from onetape.store.records import Records

__all__ = ["file_writer", "public"]

_SPANS: Final = {"1": DAY, "7": 7 * DAY, "30": 30 * DAY, "all": 0}  # days of `symbols` and `strategies`
_SHOWN: Final = ("key", "currency", "realized", "fees", "funding", "net")


def public(
    records: Records, *, write: Callable[[str, bytes], None], now: int, delay: int, figures: Sequence[str]
) -> dict[str, Any]:
    """Writes FIGURE.json of each of `figures` (equity, days, symbols, strategies) and index.html, up to `delay` (ns)
    before `now`. write: gets name and content of each. Returns {"until", "files"}."""
    until = now - delay
    made: dict[str, Any] = {name: _MAKE[name](records, until) for name in figures}
    texts = {f"{name}.json": msgspec.json.encode({"until": until, name: rows}) for name, rows in made.items()}
    data = msgspec.json.encode(made).replace(b"<", b"\\u003c")  # a name must not end the script around it
    whole = Path(__file__).with_name("public.html").read_text(encoding="utf-8")
    page = whole.replace("UNTIL", format_time(until // SECOND * SECOND)).encode().replace(b"DATA", data)
    for name, text in {**texts, "index.html": page}.items():
        write(name, text)
    return {"until": until, "files": [*texts, "index.html"]}


def file_writer(out: Path) -> Callable[[str, bytes], None]:
    """Returns a function that writes files of a folder, each atomically."""
    out.mkdir(parents=True, exist_ok=True)

    def write(name: str, data: bytes) -> None:
        partial = out / f".{name}.{os.getpid()}"
        partial.write_bytes(data)
        partial.replace(out / name)

    return write


def _equity(records: Records, until: int) -> dict[str, Any]:
    """Returns by currency the end of each day, and the minutes of the last one: [ts in s, equity, drawdown, equity
    without transfers]."""
    found: dict[str, Any] = {}
    for row in equity(records, by="all", until=until):
        made = money_text(text_units(row["equity"]) - text_units(row["capital"]))
        point = [row["ts"] // SECOND, row["equity"], round(row["drawdown"], 6), made]
        of = found.setdefault(row["currency"], {"days": {}, "minutes": []})
        of["days"][row["ts"] // DAY] = point
        if row["ts"] >= until - DAY and not row["ts"] % MINUTE:
            of["minutes"].append(point)
    return {currency: {**of, "days": list(of["days"].values())} for currency, of in found.items()}


def _days(records: Records, until: int) -> list[dict[str, Any]]:
    return _results(ledger(records, by="day", until=until))


def _results(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows of a ledger without private columns, and without rows that then are empty."""
    found = []
    for row in rows:
        made = {name: row[name] for name in _SHOWN} | {"net": result_of(row)}  # without transfers
        if made["net"] != "0" or row["fees"] or row["realized"] != "0" or row["funding"] != "0":
            found.append(made)
    return found


def _spans(by: str, records: Records, until: int) -> dict[str, list[dict[str, Any]]]:
    spans = {name: max(until - span, 0) if span else 0 for name, span in _SPANS.items()}
    return {
        # Without rows of no strategy or symbol.
        name: _results([row for row in ledger(records, by=by, since=since, until=until) if row["key"]])
        for name, since in spans.items()
    }


_MAKE: Final[Mapping[str, Callable[[Records, int], Any]]] = {
    "equity": _equity,
    "days": _days,
    "symbols": partial(_spans, "symbol"),
    "strategies": partial(_spans, "strategy"),
}

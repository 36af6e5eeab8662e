"""Exports a year of records as CSV for bookkeeping: exact decimals, times in UTC."""

from __future__ import annotations

import csv
import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from onetape.accounts.holding import Terms
from onetape.data.staging import staged
from onetape.model.enums import PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.money import money_text, text_units
from onetape.model.shown import sheet_text
from onetape.model.time import SECOND, format_time
from onetape.model.typed import from_json
from onetape.orders.reports import HASHED_TRADES
from onetape.recorder.lots import LOT_COLUMNS, OPEN_COLUMNS, Change, Lots
from onetape.store.record_queries import EXTERNAL
from onetape.store.records import Records, metadata

__all__ = ["accounting"]

# Kind of income -> its file and the column of its sum. Allocations to sub-accounts are no income.
_KINDS: Final = {
    "opening": "openings",
    "realized": "realized",
    "traded": "traded",
    "fee": "fees",
    "funding": "funding",
    "transfer": "transfers",
    "interest": "interest",
    "correction": "corrections",
}
_INCOME: Final = ("ts", "account", "strategy", "symbol", "asset", "amount", "reference")
_FILLS: Final = (
    *("ts", "account", "strategy", "symbol", "side", "position_side", "qty", "price", "fee", "fee_currency"),
    *("liquidity", "trade_id", "order_id", "internal"),
)
_SUMS: Final = ("account", "asset", "begin", *_KINDS.values(), "end")
_FIRST, _FLOW, _TRADE, _FEE = range(4)  # sort order at equal times
_Moment = tuple[tuple[int, int], tuple[tuple[str, str], Change]]


class _Instruments(msgspec.Struct):
    """The instruments of the state stored beside a cursor."""

    instruments: dict[str, bytes]


def accounting(records: Records, *, year: int, out: Path) -> dict[str, Any]:
    """Writes OUT/*.csv of a year (UTC, by the venue's clock): fills, income by kind, lots closed, lots open at its
    end, and sums, which equal the ledger's. Returns {"year", "out", "files": rows by file}. Raises UsageError if the
    folder `out` is not empty."""
    since, until = (int(datetime(each, 1, 1, tzinfo=UTC).timestamp()) * SECOND for each in (year, year + 1))
    with staged(out, may_be_empty=True) as folder, ExitStack() as files:
        tables: dict[str, tuple[str, ...]] = dict.fromkeys(_KINDS.values(), _INCOME)
        tables |= {"fills": _FILLS, "lots": LOT_COLUMNS, "open_lots": OPEN_COLUMNS, "sums": _SUMS}
        written = {name: files.enter_context(_Csv(folder / f"{name}.csv", columns)) for name, columns in tables.items()}
        for row in _fills(records, since, until):
            written["fills"].write(row)
        for name, row in _income(records, since, until):
            written[name].write(row)
        for row in _closed(records, since, until):
            written["lots" if "ts_close" in row else "open_lots"].write(row)
    return {"year": year, "out": str(out), "files": {f"{name}.csv": each.rows for name, each in written.items()}}


class _Csv:
    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._path, self._columns, self.rows = path, columns, 0

    def __enter__(self) -> _Csv:
        self._file = self._path.open("w", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self._columns)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, row: Mapping[str, Any]) -> None:
        self.rows += 1
        self._writer.writerow([_cell(name, row[name]) for name in self._columns])


def _cell(name: str, value: Any) -> str:
    if name.startswith("ts"):
        return format_time(value) if value else ""
    if name == "strategy":
        return sheet_text(value or EXTERNAL)
    return sheet_text(str(value))


def _fills(records: Records, since: int, until: int) -> Iterator[dict[str, Any]]:
    table = metadata.tables["record_fills"]
    wanted = sa.select(table).where(table.c.ts_event >= since, table.c.ts_event < until)
    for row in records.each(wanted.order_by(table.c.ts_event, table.c.journal, table.c.seq)):
        # Between sub-accounts: unknown to the venue.
        more = {"ts": row["ts_event"], "internal": "yes" if row["trade_id"] < 0 else "no"}
        yield {**row, **more, "qty": row["qty_exact"], "price": row["price_exact"], "fee": row["fee_exact"]}


def _income(records: Records, since: int, until: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields rows of each kind, and at the end those of `sums`."""
    table = metadata.tables["record_income"]
    begin: dict[tuple[str, str], int] = defaultdict(int)
    parts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_KINDS.values(), 0))
    wanted = sa.select(table).where(table.c.ts < until, table.c.kind.in_(_KINDS))
    for row in records.each(wanted.order_by(table.c.ts, table.c.journal, table.c.seq, table.c.part)):
        key, name, amount = (row["account"], row["asset"]), _KINDS[row["kind"]], text_units(row["amount_exact"])
        part = parts[key]  # it has a row of sums, even if it only has earlier years
        if row["ts"] < since:
            begin[key] += amount
        else:
            part[name] += amount
            yield name, {**row, "amount": row["amount_exact"]}
    for (account, asset), part in sorted(parts.items()):
        before = begin[account, asset]
        sums = {
            "account": account,
            "asset": asset,
            "begin": money_text(before),
            "end": money_text(before + sum(part.values())),
        }
        yield "sums", sums | {name: money_text(amount) for name, amount in part.items()}


def _closed(records: Records, since: int, until: int) -> Iterator[dict[str, Any]]:
    """Yields rows of lots closed from `since` on, and then those open before `until`."""
    cursors = metadata.tables["record_cursors"]
    for row in records.rows(sa.select(cursors).order_by(cursors.c.account, cursors.c.journal)):
        packed = from_json(row["state"], _Instruments).instruments
        terms = {symbol: Terms(Instrument.from_msgpack(each)) for symbol, each in packed.items()}
        journal = _Journal(records, row["journal"], row["account"], terms)
        for closed in journal.closed(until):
            if closed["ts_close"] >= since:
                yield closed
        for lots in journal.lots.values():
            yield from lots.open_rows()


class _Journal:
    """The lots of one gateway's journal."""

    def __init__(self, records: Records, journal: str, account: str, terms: Mapping[str, Terms]) -> None:
        self._records, self._journal, self._account, self._terms = records, journal, account, terms
        self.lots: dict[tuple[str, str], Lots] = {}
        self._markets: dict[str, str] = {}  # coin -> its first market
        for symbol, each in terms.items():
            if each.is_spot:
                self._markets.setdefault(each.base, symbol)

    def closed(self, until: int) -> Iterator[dict[str, Any]]:
        opened = self._rows("record_openings", order=("seq",))
        begins = [row["seq"] for row in opened if not row["symbol"]] or [0]
        for number, (begin, end) in enumerate(pairwise((*begins, 2**63 - 1))):
            if number:  # another exchange: holdings at the former one are gone
                self.lots.clear()
            first = [row for row in opened if row["symbol"] in self._terms and row["seq"] < end]
            held = [((row["ts"], _FIRST), self._first(row)) for row in first if row["seq"] > begin or not number]
            flows = self._flows(begin, end, until)
            for _, (key, change) in heapq.merge(held, flows, self._trades(begin, end, until), key=itemgetter(0)):
                symbol, side = key
                lots = self.lots.get(key)
                if lots is None:
                    names = {"account": self._account, "symbol": symbol, "position_side": side}
                    lots = self.lots[key] = Lots(self._terms[symbol], **names)
                yield from lots.take(change)

    def _wanted(self, name: str, *which: sa.ColumnElement[bool], order: tuple[str, ...]) -> sa.Select[Any]:
        table = metadata.tables[name]
        return sa.select(table).where(table.c.journal == self._journal, *which).order_by(*(table.c[n] for n in order))

    def _first(self, row: Mapping[str, Any]) -> tuple[tuple[str, str], Change]:
        """Returns a position from before the records."""
        return (row["symbol"], row["position_side"]), self._change(row, row["ts"], 1)

    def _change(self, row: Mapping[str, Any], ts: int, sign: int) -> Change:
        terms = self._terms[row["symbol"]]
        instrument = terms.instrument
        price = int(Decimal(row["price_exact"]).scaleb(instrument.price_decimals))
        size = sign * int(Decimal(row["qty_exact"]).scaleb(instrument.size_decimals))
        value = abs(terms.value(price, size))
        return Change(ts, size * (terms.base_factor if terms.is_spot else 1), value, row["price_exact"])

    def _trades(self, begin: int, end: int, until: int) -> Iterator[_Moment]:
        """Yields the fills that a venue knows, in its order: by its numbers, where they count up."""
        table = metadata.tables["record_fills"].c
        which = (table.seq >= begin, table.seq < end, table.ts_event < until, table.trade_id >= 0)
        number = sa.case((table.trade_id < HASHED_TRADES, table.trade_id), else_=HASHED_TRADES)
        wanted = sa.select(metadata.tables["record_fills"]).where(table.journal == self._journal, *which)
        for row in self._records.each(wanted.order_by(table.ts_event, number, table.seq)):
            terms = self._terms.get(row["symbol"])
            if terms is not None:
                side = str(PositionSide.BOTH) if terms.is_spot else row["position_side"]
                change = self._change(row, row["ts_event"], Side(row["side"]).sign)
                yield (row["ts_event"], _TRADE), ((row["symbol"], side), change)

    def _flows(self, begin: int, end: int, until: int) -> list[_Moment]:
        """Yields the coins that came or went without a trade of their own."""
        table = metadata.tables["record_income"].c
        kinds = [kind for kind in _KINDS if kind not in ("realized", "traded")]
        which = (table.kind.in_(kinds), table.asset.in_(list(self._markets)))
        which_time = (table.seq >= begin, table.seq < end, table.ts < until)
        return [
            (
                (row["ts"], _FEE if row["kind"] == "fee" else _FLOW),
                (
                    (self._markets[row["asset"]], str(PositionSide.BOTH)),
                    Change(row["ts"], text_units(row["amount_exact"]), 0, "", row["kind"]),
                ),
            )
            for row in self._rows("record_income", *which, *which_time, order=("ts", "seq", "part"))
        ]

    def _rows(self, name: str, *which: sa.ColumnElement[bool], order: tuple[str, ...]) -> list[dict[str, Any]]:
        return self._records.rows(self._wanted(name, *which, order=order))

"""Notes about trading for alerts: fills and positions of a period together, and the result of each day.

They are made from the rows in the database, beyond marks of the reported ones: after a crash of any process nothing
is left out, and at most the last period is reported twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from onetape.accounts.entries import MAIN
from onetape.model.decimals import decimal_text
from onetape.model.money import money_text, text_units
from onetape.model.time import DAY, MINUTE, format_duration, format_time
from onetape.model.typed import from_json
from onetape.store.record_queries import EXTERNAL, ledger, result_of, risk
from onetape.store.records import Records, metadata
from onetape.tape.durable import write_durably

__all__ = ["NOTES", "Notes"]

NOTES: Final = "recorder.notes"  # file in the home's run/
LINES_MAX: Final = 10  # per note; it counts the others
LATE: Final = MINUTE  # wait after midnight, so that the day's rows are there
LOOK_BACK: Final = DAY  # older rows are not reported
DAYS_MAX: Final = 7  # results reported by one start

Row = Mapping[str, Any]


class _Marks(msgspec.Struct):
    """Marks of the reported notes: fills by journal uuid up to a frame, positions up to the last trip; the sides of
    positions; and the first day not reported."""

    fill: dict[str, int] = {}
    position: dict[str, int] = {}
    held: dict[str, int] = {}
    day: int = 0


class Notes:
    """Makes notes of trading. kinds: of "fill", "position", "day"; every: ns between two notes of a kind."""

    def __init__(self, home: Path, kinds: Iterable[str], every: int) -> None:
        self._path = home / "run" / NOTES
        self._kinds, self._every = frozenset(kinds), every
        self._next = 0
        self._marks: _Marks | None = None

    def due(self, records: Records, now: int) -> Iterator[dict[str, Any]]:
        """Yields records of alerts about new rows. A record counts as reported when the next one is requested."""
        if not self._kinds or now < self._next:
            return
        self._next = now + self._every
        marks = self._marks = self._marks or self._read() or _begun(records, now)
        cursors = metadata.tables["record_cursors"]
        rows = records.rows(sa.select(cursors.c.journal, cursors.c.account, cursors.c.seq))
        for row in rows:
            if "fill" in self._kinds:
                yield from _note("fill", row, _fills(_new(records, "record_fills", marks.fill, row, now - LOOK_BACK)))
            marks.fill[row["journal"]] = row["seq"]
        held = list(_held(records))
        for row in rows:
            trips = _new(records, "record_trips", marks.position, row, now - LOOK_BACK, "ts_close")
            if "position" in self._kinds:
                for each in trips:  # their present positions were opened since
                    marks.held.pop(_key(each), None)
                opened = (each for each in held if each["account"] == row["account"])
                yield from _note("position", row, [*map(_closed, trips), *_opened(opened, marks.held)])
            # A trip has the number of its fill, which may have been read before its entry: the cursor is beyond it.
            marks.position[row["journal"]] = max([marks.position.get(row["journal"], 0), *(e["seq"] for e in trips)])
        marks.held = {_key(each): _sign(each) for each in held}
        today = (now - LATE) // DAY
        for day in range(max(marks.day, today - DAYS_MAX), today):
            if "day" in self._kinds:
                yield from _day(records, day)
        marks.day = today
        self._write(marks)

    def _read(self) -> _Marks | None:
        try:
            return from_json(self._path.read_bytes(), _Marks)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(self, marks: _Marks) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._path, msgspec.json.encode(marks))


def _begun(records: Records, now: int) -> _Marks:
    """Returns marks that skip everything so far."""
    cursors = metadata.tables["record_cursors"]
    seen = {row["journal"]: row["seq"] for row in records.rows(sa.select(cursors.c.journal, cursors.c.seq))}
    trips = metadata.tables["record_trips"].c
    last = records.rows(sa.select(trips.journal, sa.func.max(trips.seq).label("seq")).group_by(trips.journal))
    return _Marks(
        seen,
        {row["journal"]: row["seq"] for row in last},
        {_key(row): _sign(row) for row in _held(records)},
        (now - LATE) // DAY,
    )


def _new(
    records: Records, name: str, marks: Mapping[str, int], of: Row, since: int, time: str = "ts"
) -> list[dict[str, Any]]:
    table, journal = metadata.tables[name], of["journal"]
    newer = table.c.seq > marks.get(journal, 0), table.c.seq <= of["seq"], table.c[time] >= since
    return records.rows(sa.select(table).where(table.c.journal == journal, *newer).order_by(table.c.seq))


def _note(kind: str, of: Row, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    if said := list(lines):
        more = f"; and {len(said) - LINES_MAX} others" if len(said) > LINES_MAX else ""
        state = "; ".join(said[:LINES_MAX]) + more
        yield {"kind": kind, "subject": of["account"], "state": state, "severity": "info"}


def _fills(rows: Iterable[Row]) -> Iterator[str]:
    """Yields a line for each strategy, symbol and side."""
    whose = itemgetter("strategy", "symbol", "side")
    for (strategy, symbol, side), group in groupby(sorted(rows, key=whose), key=whose):
        fills = list(group)
        sizes = [Decimal(each["qty_exact"]) for each in fills]
        qty = sum(sizes, Decimal(0))
        worth = sum((size * Decimal(each["price_exact"]) for size, each in zip(sizes, fills, strict=True)), Decimal(0))
        fees: dict[str, int] = {}
        for each in fills:
            fees[each["fee_currency"]] = fees.get(each["fee_currency"], 0) + text_units(each["fee_exact"])
        paid = ", ".join(f"{money_text(fee)} {asset}" for asset, fee in sorted(fees.items()))
        times = f" in {len(fills)} fills" if len(fills) > 1 else ""
        price = decimal_text(round(worth / qty, 12))
        who, did = strategy or EXTERNAL, "bought" if side == "buy" else "sold"
        yield f"{who} {did} {decimal_text(qty)} {symbol} at {price}{times}, fees {paid}"


def _closed(trip: Row) -> str:
    entry = "" if trip["entry_price"] is None else f" from {trip['entry_price']}"
    lasted = format_duration(trip["duration_ns"] // 10**9 * 10**9)
    words = f"{trip['strategy'] or EXTERNAL} closed {trip['side']} {trip['qty']} {trip['symbol']}"
    return f"{words}{entry} at {trip['exit_price']} after {lasted}: net {trip['net']} {trip['currency']}"


def _opened(rows: Iterable[Row], held: Mapping[str, int]) -> Iterator[str]:
    for row in rows:
        if _sign(row) and _sign(row) != held.get(_key(row), 0):
            side = "long" if _sign(row) > 0 else "short"
            price = decimal_text(round(Decimal(str(row["entry_price"])), 12))
            of = f" of {row['subaccount']}" if row["slot"] != MAIN else ""
            yield f"opened {side} {row['qty_exact'].lstrip('-')} {row['symbol']}{of} at {price}"


def _held(records: Records) -> Iterator[dict[str, Any]]:
    table, figures = metadata.tables["record_positions"], metadata.tables["record_risk"]
    wanted = sa.select(figures.c.account, figures.c.slot, figures.c.subaccount)
    names = {(row["account"], row["slot"]): row["subaccount"] for row in records.rows(wanted)}
    for row in records.rows(sa.select(table)):
        yield {**row, "subaccount": names.get((row["account"], row["slot"]), str(row["slot"]))}


def _key(row: Row) -> str:
    return " ".join(str(row[name]) for name in ("account", "slot", "symbol", "position_side"))


def _sign(row: Row) -> int:
    return int(row["qty"] > 0) - int(row["qty"] < 0)


def _day(records: Records, day: int) -> Iterator[dict[str, Any]]:
    """Yields a note for each account."""
    date = format_time(day * DAY)[:10]
    figures = risk(records)
    made = ledger(records, by="account", since=day * DAY, until=(day + 1) * DAY)
    for account in sorted({row["account"] for row in figures} | {row["key"] for row in made}):
        lines = []
        for row in (each for each in made if each["key"] == account and (each["net"] != "0" or each["fees"])):
            fees = ", ".join(f"{fee} {asset}" for asset, fee in row["fees"].items()) or "none"
            parts = f"realized {row['realized']}, funding {row['funding']}, fees {fees}"
            lines.append(f"net {result_of(row)} {row['currency']} ({parts})")
        worth = [f"{row['equity']} {row['currency']}" for row in figures if row["account"] == account]
        said = "; ".join(lines or ["nothing was booked"]) + (f"; equity now {', '.join(worth)}" if worth else "")
        yield {"kind": "day", "subject": account, "state": f"{date}: {said}", "severity": "info"}

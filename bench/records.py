"""Records: how fast a gateway's journal goes into SQL, and how long a ledger over many rows takes.

    python bench/records.py [--fills 100000] [--rows 10000000] [--lag 20] [--rate 100] [--url URL]

A journal as a gateway writes it is made first: requests, news, fills and their entries. `rows` is what was
written into all tables. The ledger is asked of a database with so many rows of income, which are made in
SQL, as the recorder would have left them. `lag` is from a frame's writing to its transaction, seen from beside, of
a recorder's process at a steady load of `rate` fills a second (four frames each) for `lag` seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import sqlalchemy as sa

from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.model import catalogue
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
)
from onetape.model.time import DAY, SECOND
from onetape.orders.reports import FillReport
from onetape.recorder.recorder import Recorder
from onetape.store.record_queries import ledger
from onetape.store.records import Records, metadata
from onetape.tape.journal import JournalWriter
from onetape.tape.payloads import fields

REQUEST, NEWS, FILL = fields("order_request"), fields("order_event"), fields("fill")

SYMBOL = "binance:BTC/USDT:USDT"
BEGAN = 1_767_225_600 * SECOND
UNIT = 10**18
SYMBOLS, DAYS = 50, 365
QUOTE = fields("quote").pack(0, 0, 600_000, 600_010, 1000, 1000, 0)


def make_journal(path: Path, fills: int) -> None:
    instrument = catalogue.find(SYMBOL)
    assert instrument is not None
    booking = Booking({SYMBOL: instrument})
    opening = (Leg(MAIN, "USDT", 10**6 * UNIT), Leg(Outside.OPENING, "USDT", -(10**6) * UNIT))
    with JournalWriter(path, process="gateway:main", account="main", durable=False) as writer:
        writer.append_instrument(1, BEGAN, instrument.to_msgpack())
        robot = {"robot": 1, "name": "mm", "epoch": 1, "journal": "", "slot": MAIN}
        writer.append("params", msgspec.msgpack.encode(robot), time=BEGAN)
        writer.append("entry", pack(Entry(BEGAN, Cause.OPENING, opening)), time=BEGAN)
        for n in range(fills):
            write_fill(writer, booking, n, BEGAN + (n + 1) * SECOND // 4)


def write_fill(writer, booking, n: int, now: int) -> int:
    """Writes an order with its news, its fill and its entry; returns the entry's sequence."""
    side = Side.BUY if n % 2 == 0 else Side.SELL
    price, size, fee = 600_000 + n % 97, 10, UNIT // 1000
    if n % 4 == 0:
        writer.append("quote", QUOTE, stream=1, time=now)
    words = (RequestKind.PLACE.id, side.id, OrderType.MARKET.id, TimeInForce.GTC.id, 0, TriggerBy.LAST.id)
    request = REQUEST.pack(n + 1, 0, size, 0, 0, *words, PositionSide.BOTH.id, 1, b"")
    writer.append("order_request", request, stream=1, time=now)
    news = NEWS.pack(n + 1, n + 1, now, 0, size, 0, 0, OrderNews.ACCEPTED.id, OrderState.ACCEPTED.id, 1, 0)
    writer.append("order_event", news, stream=1, time=now)
    fill = FillReport(SYMBOL, "", "", n + 1, side, PositionSide.BOTH, price, size, now, fee, "", Liquidity.TAKER)
    frame = FILL.pack(
        n + 1, n + 1, n + 1, now, price, size, fee, 0, side.id, Liquidity.TAKER.id, PositionSide.BOTH.id, 1, 0, 0
    )
    of = writer.append("fill", frame, stream=1, time=now)
    return writer.append("entry", pack(booking.fill(fill, MAIN)._replace(of=of)), time=now)


def project(home: Path, url: str) -> dict[str, float]:
    records = Records(url, home=home)
    records.take_lease()
    recorder = Recorder(home, records, leverage={})
    began, cpu = time.perf_counter(), time.process_time()
    while recorder.step() and recorder.is_behind:
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    names = ("record_orders", "record_fills", "record_income", "record_trips", "record_equity")
    count = sum(
        records.rows(sa.select(sa.func.count().label("n")).select_from(metadata.tables[n]))[0]["n"] for n in names
    )
    records.drop_lease()
    records.close()
    return {
        "rows": count,
        "seconds": round(seconds, 3),
        "rows_per_second": round(count / seconds),
        "rows_per_second_of_processor": round(count / cpu),
    }


def queries(home: Path, rows: int) -> dict[str, float]:
    """A SQLite database with so many rows of income, and the sums that a recorder keeps of them."""
    records = Records("sqlite:///many.db", home=home)
    each = rows // (SYMBOLS * DAYS)
    first = BEGAN // DAY
    income, days = metadata.tables["record_income"], metadata.tables["record_days"]
    with records.transaction() as connection:
        for day in range(DAYS):
            connection.exec_driver_sql(
                f"""WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {each * SYMBOLS})
                INSERT INTO {income.name} SELECT 'j', {day * each * SYMBOLS} + i, 0, 'main', 'mm', 1,
                's' || (i % {SYMBOLS}), {(first + day) * DAY} + i,
                {(first + day) * DAY} + i, 'realized', 'USDT', 'USDT', 0.01, '0.01', 0, ''
                FROM n"""
            )
            connection.execute(
                days.insert(),
                [
                    {
                        "account": "main",
                        "strategy": "mm",
                        "symbol": f"s{n}",
                        "day": first + day,
                        "currency": "USDT",
                        "kind": "realized",
                        "asset": "USDT",
                        "amount_exact": str(each / 100),
                    }
                    for n in range(SYMBOLS)
                ],
            )
    figures: dict[str, float] = {"rows": each * SYMBOLS * DAYS}
    for by, since in (("symbol", 0), ("day", 0), ("symbol", first * DAY + DAY // 2)):
        began = time.perf_counter()
        found = ledger(records, by=by, since=since)
        figures[f"by_{by}{'_from_noon' if since else ''}_ms"] = round((time.perf_counter() - began) * 1000, 1)
        assert len(found) == (SYMBOLS if by == "symbol" else DAYS)
    records.close()
    return figures


def lag(home: Path, url: str, seconds: int, rate: int) -> dict[str, float]:
    path = home / "journal" / "gateway-lag"
    make_journal(path, 10)
    options = {"home": str(home), "url": url, "leverage": {}}
    process = subprocess.Popen(
        [sys.executable, "-m", "onetape.recorder.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdin.write(json.dumps(options).encode())
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    written: dict[int, float] = {}
    spans: list[float] = []
    done = threading.Event()

    def write() -> None:
        instrument = catalogue.find(SYMBOL)
        assert instrument is not None
        booking, began = Booking({SYMBOL: instrument}), time.monotonic()
        with JournalWriter(path, process="gateway:main", account="main", durable=False) as writer:
            for n in range(seconds * rate):
                time.sleep(max(began + n / rate - time.monotonic(), 0))
                written[write_fill(writer, booking, n + 10, time.time_ns())] = time.monotonic()
            done.set()
            while written:
                time.sleep(0.01)

    thread = threading.Thread(target=write)
    thread.start()
    records = Records(url, home=home)
    cursors = metadata.tables["record_cursors"].c
    wanted = sa.select(cursors.seq).where(cursors.account == "lag")
    try:
        until = time.monotonic() + seconds + 60
        while time.monotonic() < until and (written or not done.is_set()):
            seq = max((row["seq"] for row in records.rows(wanted)), default=0)
            now = time.monotonic()
            spans += [now - written.pop(each) for each in list(written) if each <= seq]
            time.sleep(0.005)
    finally:
        records.close()
        left = len(written)
        written.clear()
        thread.join()
        process.terminate()
        process.wait()
    spans.sort()
    shown = {"p50_ms": spans[len(spans) // 2], "p99_ms": spans[len(spans) * 99 // 100], "max_ms": spans[-1]}
    return {"fills": len(spans), "unseen": left, **{name: round(each * 1000, 1) for name, each in shown.items()}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fills", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000_000, help="0: no ledger over many rows")
    parser.add_argument("--lag", type=int, default=20, help="seconds, 0: not measured")
    parser.add_argument("--rate", type=int, default=100, help="fills a second meanwhile")
    parser.add_argument("--url", action="append", default=[], help="of further databases, empty ones")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="records-") as folder:
        home = Path(folder)
        make_journal(home / "journal" / "gateway-main", options.fills)
        for url in ("sqlite:///store.db", *options.url):
            print(json.dumps({"database": url.partition(":")[0], **project(home, url)}), flush=True)
        if options.lag:
            print(json.dumps({"lag": lag(home, "sqlite:///store.db", options.lag, options.rate)}), flush=True)
        if options.rows:
            print(json.dumps({"ledger": queries(home, options.rows)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

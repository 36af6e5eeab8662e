"""Rows per second of processor time of importing each kind of table, and memory at most.

Prints figures. Files are made here, with the widths of real ones. A table is read twice; what is
timed is the whole import, from the open file to the sealed tape, in one process.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from onetape.data.hftbacktest import ROW
from onetape.data.importing import import_files

ROWS = 300_000
ROUNDS = 3
REACH = 500_000
MS = 1_704_067_200_000
TARDIS = "exchange,symbol,timestamp,local_timestamp,"


def write(path: Path, header: str, rows: Iterable[str]) -> None:
    with path.open("w") as file:
        file.write(header)
        file.writelines(rows)


def klines(path: Path) -> None:
    write(
        path,
        "",
        (
            f"{MS + i * 60_000},{42000 + i % 997}.10,{42005 + i % 997}.20,{41990 + i % 997}.30,"
            f"{42001 + i % 997}.50,12.345,{MS + i * 60_000 + 59_999},520000.5,812,6.1,260000.1,0\n"
            for i in range(ROWS)
        ),
    )


def agg_trades(path: Path) -> None:
    write(
        path,
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n",
        (f"{i},{42000 + i % 997 / 10:.1f},0.{i % 999 + 1:03d},{i},{i + 1},{MS + i},true\n" for i in range(ROWS)),
    )


def quotes(path: Path) -> None:
    write(
        path,
        TARDIS + "ask_amount,ask_price,bid_price,bid_amount\n",
        (
            f"binance-futures,BTCUSDT,{MS * 1000 + i},{MS * 1000 + i + 99},0.{i % 999 + 1:03d},"
            f"{42000.1 + i % 997 / 10:.1f},{42000 + i % 997 / 10:.1f},1.5\n"
            for i in range(ROWS)
        ),
    )


def depth(path: Path) -> None:
    write(
        path,
        TARDIS + "is_snapshot,side,price,amount\n",
        (
            f"binance-futures,BTCUSDT,{MS * 1000 + i // 8},{MS * 1000 + i // 8 + 99},"
            f"{'true' if i < 800 else 'false'},{'bid' if i & 1 else 'ask'},"
            f"{42000 + i % 997 / 10:.1f},0.{i % 999:03d}\n"
            for i in range(ROWS)
        ),
    )


def stats(path: Path) -> None:
    write(
        path,
        "",
        (
            f"{i},USD000UTSTOM,{'bid' if i & 1 else 'ask'},1,{MS * 10**6 + i},{MS * 10**6 + i},"
            f"{MS * 10**6 + i},{65_580_000 + i % 9999},{i % 99 + 1}000000,C,CETS,\n"
            for i in range(ROWS)
        ),
    )


def candles(path: Path) -> None:
    rows = (
        f"[{MS + i * 60_000},{42000 + i % 997}.1,{42005 + i % 997}.2,{41990 + i % 997},{42001 + i % 997}.5,12.345]"
        for i in range(ROWS)
    )
    path.write_text("[" + ",".join(rows) + "]")


def feather(path: Path) -> None:
    import polars as pl

    i = np.arange(ROWS)
    times = pl.Series(i * 60_000 + MS).cast(pl.Datetime("ms", "UTC"))
    columns = {
        name: np.round(42000 + i % 997 + step, 1)
        for name, step in {"open": 0.1, "high": 5.2, "low": -9.7, "close": 1.5}.items()
    }
    frame = pl.DataFrame({"date": times, **columns, "volume": i % 99 + 0.345})
    frame.write_ipc(path, compression="lz4", record_batch_size=65536)


def events(path: Path) -> None:
    i = np.arange(ROWS)
    rows = np.zeros(ROWS, dtype=ROW)
    kind = np.where(i % 9 == 8, 2, 1).astype(np.uint64)
    rows["ev"] = (1 << 31 | 1 << 30) + (1 << (28 + i % 2)) + kind
    rows["exch_ts"] = MS * 10**6 + i // 9 * 100
    rows["local_ts"] = rows["exch_ts"] + 9
    rows["px"], rows["qty"] = np.round(42000 + i % 997 / 10, 1), np.round(i % 99 / 1000 + 0.001, 3)
    np.savez_compressed(path, data=rows)


CASES: list[tuple[str, str, str, Callable[[Path], None]]] = [
    ("binance-vision", "klines", "BTCUSDT-1m-2024-01.csv", klines),
    ("binance-vision", "aggTrades", "BTCUSDT-aggTrades-2024-01.csv", agg_trades),
    ("tardis", "quotes", "book_ticker.csv", quotes),
    ("tardis", "depth rows", "incremental_book_L2.csv", depth),
    ("moex", "stats", "fx.stats", stats),
    ("ccxt", "OHLCV", "candles.json", candles),
    ("freqtrade", "Feather", "BTC_USDT-1m.feather", feather),
    ("hftbacktest", "npz", "events.npz", events),
]


def main() -> None:
    figures: list[object] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, what, file, make in CASES:
            path = folder / file
            make(path)
            rates = []
            for number in range(ROUNDS):
                out = folder / f"tape{number}"
                began = time.process_time()
                import_files(kind, [path], symbol="x:A/USD", out=out)
                rates.append(ROWS / (time.process_time() - began))
                shutil.rmtree(out)
            figures.append(
                {
                    "name": f"import, {kind} {what}",
                    "value": max(rates),
                    "unit": "rows/s",
                    "better": "more",
                    "reach": REACH,
                }
            )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    figures.append({"name": "import tables, memory at most", "value": memory, "unit": "MiB", "better": "less"})
    json.dump({"figures": figures}, sys.stdout)
    print()


if __name__ == "__main__":
    main()

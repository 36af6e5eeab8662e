"""Memory does not grow with the input, whatever its kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from long_form import long_form
from onetape.data.hftbacktest import ROW

SIZES = (400_000, 4_000_000) if os.environ.get("ONETAPE_LONG") else (60_000, 600_000)
# Mapped segments count as memory of the process: 64 MiB at most each, the last, this, the next.
MAPPED_MIB = 3 * 64
MS = 1_704_067_200_000

# The kernel's own high-water mark: getrusage begins with what the parent had.
IMPORT = """
import sys
from onetape.data.importing import import_files
result = import_files(sys.argv[1], [sys.argv[2]], symbol="x:A/USD", out=sys.argv[3])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(result.events, int(peak.split()[1]) >> 10)
"""


def lines(path: Path, rows: int, header: str, row: Callable[[int], str]) -> None:
    with path.open("w") as file:
        file.write(header)
        for first in range(0, rows, 10_000):
            file.write("".join(map(row, range(first, min(first + 10_000, rows)))))


def klines(path: Path, rows: int) -> None:
    lines(path, rows, "", lambda i: f"{MS + i},1,2,0.5,1.5,1,{MS + i},1,1,1,1,0\n")


def depth(path: Path, rows: int) -> None:
    """In no order, so that levels are set aside in a file."""
    lines(
        path,
        rows,
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n",
        lambda i: f"x,B,{MS}000,{MS * 1000 + i // 2 * 7919 % rows},false,bid,{i % 999}.5,1\n",
    )


def candles(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("[")
        for i in range(rows):
            file.write(f"{',' if i else ''}[{MS + i * 60_000},1,2,0.5,1.5,{i % 99}.25]")
        file.write("]")


def feather(path: Path, rows: int) -> None:
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    times = pl.Series(np.arange(rows) * 60_000 + MS).cast(pl.Datetime("ms", "UTC"))
    price = pl.Series(np.arange(rows) % 997 / 100 + 1)
    frame = pl.DataFrame({"date": times, "open": price, "high": price, "low": price})
    frame = frame.with_columns(close=price, volume=price)
    frame.write_ipc(path, compression="lz4", record_batch_size=65536)


def events(path: Path, rows: int) -> None:
    array = np.zeros(rows, dtype=ROW)
    array["ev"] = 1 << 30 | 1 << 29 | 2
    array["exch_ts"] = array["local_ts"] = MS * 10**6 + np.arange(rows)
    array["px"], array["qty"] = np.arange(rows) % 997 / 10 + 1, 0.5
    np.savez_compressed(path, data=array)


def orders(path: Path, rows: int) -> None:
    array = np.zeros(rows, dtype=ROW)
    array["ev"] = 1 << 30 | 1 << 29 | 10
    array["exch_ts"] = array["local_ts"] = MS * 10**6 + np.arange(rows) // 3
    array["px"], array["qty"], array["order_id"] = (np.arange(rows) % 997 / 10 + 1, 0.5, np.arange(rows))
    np.savez_compressed(path, data=array)


def quotes(path: Path, rows: int) -> None:
    lines(
        path, rows, "", lambda i: f"{i},U,{'bid' if i % 2 else 'ask'},1,{MS * 10**6 + i},,,{65_000_000 + i},1000000\n"
    )


CASES = [
    ("binance-vision", "klines.csv", klines),
    ("tardis", "depth.csv", depth),
    ("ccxt", "candles.json", candles),
    ("freqtrade", "A_B-1m.feather", feather),
    ("hftbacktest", "events.npz", events),
    ("hftbacktest", "orders.npz", orders),
    ("moex", "fx.stats", quotes),
]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("kind", "name", "write"), [*CASES[:3], *long_form(*CASES[3:])], ids=[case[1] for case in CASES]
)
def test_ten_times_the_rows_take_no_more_memory(
    kind: str, name: str, write: Callable[[Path, int], None], tmp_path: Path
) -> None:
    peaks = []
    for rows in SIZES:
        source = tmp_path / str(rows) / name
        source.parent.mkdir()
        write(source, rows)
        command = [sys.executable, "-c", IMPORT, kind, source, tmp_path / f"{rows}.tape"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        count, peak = map(int, done.stdout.split())
        assert count in {rows, rows // 2}
        peaks.append(peak)
    assert peaks[1] - peaks[0] < MAPPED_MIB + 48, peaks
    assert peaks[1] < 500, peaks

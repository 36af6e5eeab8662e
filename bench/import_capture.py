"""Messages and rows per second of importing: the real capture, and made tables.

Prints figures. The capture is the whole importing loop: gunzip, scanning, journal, seals, synced;
it stands against gunzip alone. Tables are read twice, `csv rows, read once` is one reading.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from onetape import _core
from onetape.data.importing import import_files

CAPTURE = Path(__file__).resolve().parents[1] / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
ROUNDS = 5
ROWS = 1_000_000


def best(run: Callable[[Path], int], folder: Path) -> float:
    """Events per second of the fastest of some runs: other work only ever slows one down."""
    rates = []
    for number in range(ROUNDS):
        out = folder / f"tape{number}"
        began = time.perf_counter()
        events = run(out)
        rates.append(events / (time.perf_counter() - began))
        shutil.rmtree(out, ignore_errors=True)
    return max(rates)


def gunzip(out: Path) -> int:
    return zlib.decompress(CAPTURE.read_bytes(), 31).count(b"\n")


def read_once(path: Path) -> int:
    table = _core.TableImport(None, streams=[("", 1, 1, 3)])
    table.begin_source(
        kind="trades",
        columns={"ts_event": 0, "price": 1, "size": 2, "side": 3, "id": 4},
        fields=5,
        skip_lines=1,
        measuring=True,
    )
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            table.feed(chunk)
    table.end_source()
    rows: int = table.facts()[0]
    return rows


def load(kind: str, path: Path, symbol: str, out: Path) -> int:
    return import_files(kind, [path], symbol=symbol, out=out).events


def figure(name: str, value: float, unit: str, reach: float | None, **more: object) -> object:
    return {"name": name, "value": value, "unit": unit, "better": "more", "reach": reach, **more}


def write_tables(folder: Path) -> None:
    with (folder / "trades.csv").open("w") as trades, (folder / "shuffled.csv").open("w") as other:
        for file in (trades, other):
            file.write("ts_event,price,size,side,id\n")
        for i in range(ROWS):
            rest = f"{60000 + (i % 997) / 10:.1f},0.{i % 999 + 1:03d},buy,{i}\n"
            trades.write(f"{1_700_000_000_000 + i},{rest}")
            other.write(f"{1_700_000_000_000 + i * 7919 % ROWS},{rest}")


def main() -> None:
    figures: list[object] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if CAPTURE.exists():
            rate = best(lambda out: load("binance-raw", CAPTURE, "binance:BTC/USDT:USDT", out), folder)
            floor = {"name": "gunzip alone", "value": best(gunzip, folder)}
            figures.append(figure("import, real capture", rate, "messages/s", 500_000, against=floor))
        write_tables(folder)
        ordered, shuffled = folder / "trades.csv", folder / "shuffled.csv"
        rate = best(lambda out: read_once(ordered), folder)
        figures.append(figure("csv rows, read once", rate, "rows/s", 2_000_000))
        for name, path in (("in order", ordered), ("in no order", shuffled)):
            rate = best(lambda out, path=path: load("csv", path, "x:A/USD", out), folder)  # type: ignore[misc]
            figures.append(figure(f"import, csv {name}", rate, "rows/s", None))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    figures.append({"name": "import, memory at most", "value": memory, "unit": "MiB", "better": "less"})
    json.dump({"figures": figures}, sys.stdout)
    print()


if __name__ == "__main__":
    main()

"""What `journal verify --market` takes: events per second of processor time over made quotes and
trades, all passes over the tape counted, without the proof of the bytes. And what a recording
takes to import, both passes: messages per second of processor time."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from onetape.data.importing import import_files
from onetape.data.quality.market import verify_market
from onetape.tape.journal import JournalWriter, type_id
from onetape.tape.schema import built_in

ROWS = 2_000_000
START = 1_700_000_000_000_000_000
RECORDED = Path(__file__).resolve().parents[1] / "../shared/data"
RECORDINGS = {
    "kraken": "kraken-spot/10-pairs-2021-04-17-first-quarter.book.ws.txt.gz",
    "okx": "okx/3-instruments-2022-05-13.ws.txt.gz",
    "kraken futures": "kraken-futures/10-products-2021-07-22-first-half.ws.txt.gz",
    "bybit": "bybit/linear-8-symbols-2021-04-17.ws.txt.gz",
    "bitmex": "bitmex/10-symbols-2021-07-22-first-half.ws.txt",
}


def made(kind: str, path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = np.zeros(ROWS, built_in()[type_id(kind)].payload_dtype)
    rows["ts_event"] = rows["ts_recv"] = START + np.arange(ROWS) * 1_000_000
    price = 6_000_000 + np.cumsum(rng.integers(-1, 2, ROWS))
    if kind == "quote":
        rows["bid"], rows["ask"], rows["bid_size"], rows["ask_size"] = price, price + 1, 5, 7
    else:
        rows["price"], rows["size"], rows["side"], rows["id_kind"] = price, 3, 1, 1
        rows["id_low"] = np.arange(ROWS)
    with JournalWriter(path, durable=False) as writer:
        writer.append_batch(kind, 1, rows)


def recorded(name: str, folder: Path) -> float:
    """Lines per second, of a recording that repeats itself: its snapshots too, which are most of
    it."""
    raw = (RECORDED / name).read_bytes()
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    times = 20
    (folder / "recording.txt").write_bytes(text * times)
    began = time.process_time()
    import_files("cryptofeed", [folder / "recording.txt"], out=folder / "recorded", force=True)
    return text.count(b"\n") * times / (time.process_time() - began)


def main() -> None:
    figures: list[object] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("quote", "trade"):
            made(kind, folder / kind)
            began = time.process_time()
            verify_market(folder / kind)
            rate = ROWS / (time.process_time() - began)
            shutil.rmtree(folder / kind)
            figures.append(
                {
                    "name": f"market report, {kind}s",
                    "value": rate,
                    "unit": "events/s",
                    "better": "more",
                    "reach": 5_000_000,
                }
            )
        if RECORDED.is_dir():
            figures += [
                {
                    "name": f"import, cryptofeed {venue}",
                    "value": recorded(path, folder),
                    "unit": "lines/s",
                    "better": "more",
                }
                for venue, path in RECORDINGS.items()
            ]
    json.dump({"figures": figures}, sys.stdout)
    print()


if __name__ == "__main__":
    main()

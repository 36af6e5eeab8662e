"""Level updates per second of the order book: synthetic flow near the touch, and a real capture.

Prints figures as JSON. The synthetic book holds 5,000 levels a side; nine changes of ten fall
within ten ticks of the touch. Decoding is outside the clock: payloads are prepared beforehand.
CPU time: one thread that never waits.
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from onetape._core import FLAG_SNAPSHOT, Book

HEAD = struct.Struct("<qqQQQII")
CAPTURE = Path(__file__).resolve().parents[1] / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
ROUNDS = 5


def payload(bids: np.ndarray, asks: np.ndarray, first: int, last: int, previous: int) -> bytes:
    return HEAD.pack(0, 0, first, last, previous, len(bids), len(asks)) + bids.tobytes() + asks.tobytes()


def near_touch(messages: int = 20_000, per_side: int = 10) -> tuple[bytes, bytes, int]:
    rng = np.random.default_rng(1)
    depth = np.arange(5000)
    full = np.ones_like(depth)
    start = payload(np.column_stack([100_000 - depth, full]), np.column_stack([100_001 + depth, full]), 0, 1, 0)
    out = []
    for _ in range(messages):
        far = rng.random((2, per_side)) < 0.1
        offset = np.where(far, rng.integers(10, 5000, far.shape), rng.integers(0, 10, far.shape))
        size = rng.integers(0, 4, far.shape)
        bids = np.column_stack([100_000 - offset[0], size[0]])
        asks = np.column_stack([100_001 + offset[1], size[1]])
        out.append(payload(bids, asks, 0, 0, 0))
    return start, b"".join(out), messages * per_side * 2


def capture() -> tuple[bytes, bytes, int] | None:
    if not CAPTURE.exists():
        return None

    def exact(rows: list[list[str]]) -> np.ndarray:
        cells = [(int(Decimal(p) * 100), int(Decimal(s) * 1000)) for p, s in rows]
        return np.array(cells, dtype=np.int64).reshape(-1, 2)

    start, out, count = b"", [], 0
    with gzip.open(CAPTURE, "rt") as lines:
        for line in lines:
            body = json.loads(line.split(" ", 1)[1])
            if "lastUpdateId" in body:
                start = payload(exact(body["bids"]), exact(body["asks"]), 0, body["lastUpdateId"], 0)
            elif "depth" in body["stream"]:
                d = body["data"]
                bids, asks = exact(d["b"]), exact(d["a"])
                out.append(payload(bids, asks, d["U"], d["u"], d["pu"]))
                count += len(bids) + len(asks)
    return start, b"".join(out), count


def measure(start: bytes, changes: bytes, levels: int) -> dict[str, float]:
    rates = []
    for _ in range(ROUNDS):
        book = Book()
        book.apply_payload(start, FLAG_SNAPSHOT)
        begin = time.process_time()
        book.apply_payloads(changes)
        rates.append(levels / (time.process_time() - begin))
        if not book.synced:
            raise SystemExit("the book lost its chain")
    rates.sort()
    return {
        "levels": levels,
        "per_second_median": round(rates[ROUNDS // 2]),
        "per_second_min": round(rates[0]),
        "ns_per_level": round(1e9 / rates[ROUNDS // 2], 1),
    }


def figure(name: str, prepared: tuple[bytes, bytes, int]) -> dict[str, object]:
    result = measure(*prepared)
    return {
        "name": f"book: {name}",
        "value": result["per_second_median"],
        "unit": "levels/s",
        "better": "more",
        "reach": 15_000_000,
        "against": None,
        "note": f"{result['ns_per_level']} ns a level, slowest {result['per_second_min']:,}/s",
    }


def main() -> None:
    figures = [figure("near the touch", near_touch())]
    real = capture()
    if real:
        figures.append(figure("a real capture of 5,000 levels a side", real))
    json.dump({"figures": figures}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()

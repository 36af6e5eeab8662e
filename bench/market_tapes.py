"""Tapes for the figures: the quotes of `bench/peers/quotes.py` and real ones, made once, kept in
build/bench. Not a figure itself."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
from place import PLACE, ROOT

from onetape.model.catalogue import find
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalWriter
from onetape.tape.schema import built_in

CAPTURE = ROOT / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
SYMBOL = "binance:BTC/USDT:USDT"
QUOTE = 2
BLOCK = 200_000

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from quotes import quotes  # noqa: E402


def instrument() -> Instrument:
    found = find(SYMBOL)
    if found is None:
        sys.exit(f"{SYMBOL} is not in the catalogue")
    return found


def real_quotes() -> np.ndarray | None:
    """[n, 5] of ts, bid, bid size, ask, ask size in units: the bookTicker lines of a capture."""
    if not CAPTURE.exists():
        return None
    rows = []
    with gzip.open(CAPTURE, "rt") as lines:
        for line in lines:
            if "bookTicker" not in line:
                continue
            ts, body = line.split(" ", 1)
            data = json.loads(body)["data"]
            cells = [int(Decimal(data[key]) * unit) for key, unit in (("b", 10), ("B", 1000), ("a", 10), ("A", 1000))]
            rows.append([int(ts), *cells])
    return np.array(rows, dtype=np.int64)


def tiled(rows: np.ndarray, count: int) -> np.ndarray:
    """`rows` repeated in time until there are `count`."""
    times = -(-count // len(rows))
    span = int(rows[-1, 0] - rows[0, 0]) + 1_000_000
    out = np.concatenate([rows] * times)[:count].copy()
    out[:, 0] += np.repeat(np.arange(times, dtype=np.int64) * span, len(rows))[:count]
    return out


def write(path: Path, rows: np.ndarray, times: int = 1) -> None:
    """One instrument, one quote a row; all of it `times` over, later each time."""
    facts = instrument()
    price, size = 10 ** (facts.price_decimals - 1), 10 ** (facts.size_decimals - 3)
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    kind = np.zeros(min(BLOCK, len(rows)), dtype=built_in()[QUOTE].payload_dtype)
    span = int(rows[-1, 0] - rows[0, 0]) + 1_000_000
    with JournalWriter(partial, uuid=bytes(range(16)), durable=False) as writer:
        writer.append_instrument(1, int(rows[0, 0]), facts.to_msgpack())
        for number in range(times):
            for begin in range(0, len(rows), BLOCK):
                part = rows[begin : begin + BLOCK]
                block = kind[: len(part)]
                block["ts_event"] = block["ts_recv"] = part[:, 0] + number * span
                block["bid"], block["bid_size"] = part[:, 1] * price, part[:, 2] * size
                block["ask"], block["ask_size"] = part[:, 3] * price, part[:, 4] * size
                writer.append_batch("quote", 1, block)
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)


def walk_tape(count: int) -> Path:
    """A random walk near 60,000."""
    path = PLACE / f"walk-{count}"
    if not path.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        write(path, quotes(count))
    return path


def long_tape(count: int, times: int) -> Path:
    """The walk `times` over: made anew, the caller removes it."""
    path = PLACE / f"walk-{count}-times-{times}"
    PLACE.mkdir(parents=True, exist_ok=True)
    write(path, quotes(count), times)
    return path


def real_tape(count: int) -> Path | None:
    """66,089 recorded quotes repeated in time; None where the capture is not there."""
    path = PLACE / f"real-{count}"
    if not path.exists():
        rows = real_quotes()
        if rows is None:
            return None
        PLACE.mkdir(parents=True, exist_ok=True)
        rows = tiled(rows, count)
        np.save(PLACE / f"real-{count}.npy", rows)
        write(path, rows)
    return path

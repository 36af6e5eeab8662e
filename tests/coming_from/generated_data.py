"""Small markets that both systems read: equal on every machine, made of whole numbers.

python tests/coming_from/generated_data.py bars bars.csv
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

START_S = 1_767_571_200  # 2026-01-05, a Monday
BARS = 2_000
QUOTES = 12_000
DEPTH_S, LEVELS = 600, 5
MS = 1_000_000
# hftbacktest's events: what happened, on which side, and that exchange and robot both see it.
DEPTH, TRADE, SNAPSHOT = 1, 2, 4
BUY, SELL, BOTH = 1 << 29, 1 << 28, 1 << 31 | 1 << 30
EVENT = [("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8")]
EVENT += [("order_id", "<u8"), ("ival", "<i8"), ("fval", "<f8")]


def walk_of_bars() -> Iterator[tuple[int, list[int], int]]:
    """Minute bars of a random walk near 60,000: time in s, open, high, low, close and volume, all in
    hundredths. A bar does not open at the last close, so a fill at the close and one at the next
    open differ."""
    walk = random.Random(5)
    close = 6_000_000
    for number in range(BARS):
        first = close + walk.randrange(-400, 401)
        close = first + walk.randrange(-6_000, 6_001)
        high = max(first, close) + walk.randrange(1, 1_500)
        low = min(first, close) - walk.randrange(1, 1_500)
        yield START_S + 60 * number, [first, high, low, close], walk.randrange(100, 900)


def bars(path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "open", "high", "low", "close", "volume"])
        for time, prices, volume in walk_of_bars():
            table.writerow([time, *(f"{each / 100:.2f}" for each in (*prices, volume))])


def candles(path: Path) -> None:
    """The same bars as freqtrade keeps them in JSON, prices in tenths, as those of the perpetual are."""
    rows = [
        [time * 1_000, *(each // 10 / 10 for each in prices), volume / 100] for time, prices, volume in walk_of_bars()
    ]
    path.write_text(json.dumps(rows))


def quotes(path: Path) -> None:
    """Best bids and asks of a perpetual, 1 to 3 seconds apart and never at a full second, prices in
    tenths. More is displayed than any order here takes."""
    walk = random.Random(6)
    bid, time_ms = 600_000, START_S * 1_000 + 137
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "bid", "ask", "bid_size", "ask_size"])
        for _ in range(QUOTES):
            bid += walk.randrange(-90, 91)
            ask = bid + walk.randrange(1, 6)
            prices = [f"{each // 10}.{each % 10}" for each in (bid, ask)]
            sizes = [f"{walk.randrange(100, 3_000) / 1_000:.3f}" for _ in range(2)]
            table.writerow([time_ms * 1_000_000, *prices, *sizes])
            time_ms += walk.randrange(1, 4) * 1_000 + walk.randrange(-50, 51)
            time_ms += time_ms % 1_000 == 0


def depth(path: Path) -> None:
    """Depth and trades of a perpetual as an array of hftbacktest. Prices in tenths, sizes in
    hundredths, so that an order of 0.01 is filled whole or not at all. A trade is shown by the depth
    2 ms later; where it takes all of a level, the spread moves on by one tick. News are 2 ms old."""
    walk = random.Random(7)
    bid, time = 600_000, START_S * 10**9
    sizes = {BUY: [0] * LEVELS, SELL: [0] * LEVELS}
    rows: list[tuple[int, int, int, float, float, int, int, float]] = []

    def row(kind: int, tick: int, size: int) -> None:
        rows.append((kind | BOTH, time, time + 2 * MS, tick / 10, size / 100, 0, 0, 0.0))

    def level(side: int, number: int, kind: int = DEPTH) -> None:
        tick = bid - number if side == BUY else bid + 1 + number
        row(kind | side, tick, sizes[side][number])

    for side in (BUY, SELL):
        for number in range(LEVELS):
            sizes[side][number] = walk.randrange(10, 200)
            level(side, number, SNAPSHOT)
    while time < (START_S + DEPTH_S) * 10**9:
        time += walk.randrange(20, 180) * MS + 137_000
        side, number = walk.choice((BUY, SELL)), walk.randrange(LEVELS)
        if walk.random() < 0.6:
            sizes[side][number] = walk.randrange(10, 200)
            level(side, number)
            continue
        best = sizes[side][0]
        size = min(best, walk.randrange(5, 120))
        row(TRADE | (BUY + SELL - side), bid if side == BUY else bid + 1, size)
        time += 2 * MS
        sizes[side][0] = best - size
        level(side, 0)
        if size < best:
            continue
        sizes[side] = [*sizes[side][1:], walk.randrange(10, 200)]
        other = BUY + SELL - side
        sizes[other] = [walk.randrange(10, 200), *sizes[other]]
        bid += 1 if side == SELL else -1
        sizes[other][LEVELS] = 0  # the level that is too far away now leaves
        level(other, LEVELS)
        sizes[other].pop()
        level(side, LEVELS - 1)
        level(other, 0)
    np.savez_compressed(path, data=np.array(rows, EVENT))


MAKERS = {"bars": bars, "candles": candles, "quotes": quotes, "depth": depth}


def main() -> None:
    MAKERS[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()

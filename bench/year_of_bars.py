"""A year of one-minute bars of twenty symbols through a moving-average cross: compiled, and plain
with the same windows. Seconds of the loop, which builds no bars: the tape has them.
"""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import numpy as np
from loop import run_once

from onetape import Strategy, compiled
from onetape.engine.latency import Latency
from onetape.model.instrument import from_symbol
from onetape.tape.journal import JournalWriter

PLACE = Path(__file__).resolve().parents[1] / "build" / "bench" / "year-of-bars"
SYMBOLS, MINUTES = 20, 525_600
NAMES = tuple(f"binance:C{i:02}/USDT:USDT" for i in range(SYMBOLS))
MINUTE = 60 * 10**9
START = 1_704_067_200 * 10**9  # 2024-01-01
BAR = struct.Struct("<12q")


class Cross(Strategy):
    fast: int = 10
    slow: int = 30

    def on_start(self):
        for name in NAMES:
            self.subscribe(name, bars="1m")

    def on_bar(self, bar):
        closes = self.bars(bar.symbol, "1m", self.slow).close
        if len(closes) == self.slow:
            self.set_target(bar.symbol, 0.01 if closes[-self.fast :].mean() > closes.mean() else 0)


def tape() -> Path:
    if PLACE.is_dir():
        return PLACE
    rng = np.random.default_rng(1)
    with JournalWriter(PLACE, process="bench", durable=False) as writer:
        for stream, name in enumerate(NAMES, 1):
            facts = from_symbol(name, tick="0.01", lot="0.001")
            writer.append_instrument(stream, START, facts.to_msgpack())
        prices = 10_000 + rng.integers(-20, 21, (MINUTES + 1, SYMBOLS)).cumsum(axis=0)
        prices = np.abs(prices) + 1_000
        for minute in range(MINUTES):
            opened, closed = START + minute * MINUTE, START + (minute + 1) * MINUTE
            for stream in range(SYMBOLS):
                first, last = int(prices[minute, stream]), int(prices[minute + 1, stream])
                row = BAR.pack(opened, closed, MINUTE, first, max(first, last) + 3,
                               min(first, last) - 3, last, 5_000, 0, 0, -1, 0)  # fmt: skip
                writer.append("bar", row, stream=stream + 1, time=closed)
    return PLACE


def main() -> None:
    began = time.perf_counter()
    path = tape()
    made = time.perf_counter() - began
    figures = []
    marked = compiled(type("Cross", (Cross,), {"__module__": __name__}))
    for word, strategy, reach in (("compiled", marked, 3.0), ("plain", Cross, None)):
        # The samples of equity that `onetape backtest` would take of a year.
        timed = run_once(
            strategy, path, latency=Latency(0, 0), clock="wall", sample_every=4 * 60 * MINUTE
        )
        figures.append(
            {"name": f"year of minute bars, 20 symbols, cross, {word}", "value": timed.seconds,
             "unit": "s", "better": "less", "reach": reach, "headline": word == "compiled"}
        )  # fmt: skip
    print(json.dumps({"figures": figures, "made": made}))


if __name__ == "__main__":
    main()

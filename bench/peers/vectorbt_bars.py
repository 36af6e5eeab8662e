"""vectorbt 1.2.0 (the free one) over a year of minute bars: moving averages that cross.

    python vectorbt_bars.py year-of-bars.npy year|DAYS

All symbols at once as arrays: averages, signals and the simulation of orders at the close, in the
clock. The first, compiling run over ten days is outside of it.
"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
import vectorbt as vbt
from bars import FAST, QTY, SLOW, SYMBOLS, TAKER, load


def simulate(closes: pd.DataFrame) -> vbt.Portfolio:
    fast = vbt.MA.run(closes, FAST).ma
    slow = vbt.MA.run(closes, SLOW).ma
    slow.columns = fast.columns = closes.columns
    above = fast > slow
    return vbt.Portfolio.from_signals(closes, above, ~above, size=QTY, fees=TAKER, init_cash=10_000_000, freq="1min")


def main(path: str, days: str) -> None:
    rows, minutes = load(path, days)
    closes = pd.DataFrame(rows[1:] / 100)
    simulate(closes[:14_400]).orders.count()
    began = time.process_time()
    done = simulate(closes)
    fills = int(done.orders.count().sum())
    gain = float(done.total_profit().sum())
    seconds = time.process_time() - began
    print(json.dumps({"events": minutes * SYMBOLS, "seconds": seconds, "fills": fills, "gain": gain}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

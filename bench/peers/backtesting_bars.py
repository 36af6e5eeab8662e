"""backtesting.py 0.6.6 over minute bars, one symbol after the other: moving averages that cross.

    python backtesting_bars.py year-of-bars.npy year|DAYS

It trades whole units, so a unit is 0.01 of the coin. Orders fill at the close that they follow.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import pandas as pd
from backtesting import Backtest, Strategy
from bars import FAST, QTY, SLOW, START_S, SYMBOLS, TAKER, frame, load


def mean(values: pd.Series, count: int) -> pd.Series:
    return pd.Series(values).rolling(count).mean()


class Cross(Strategy):
    def init(self):
        self.fast = self.I(mean, self.data.Close, FAST)
        self.slow = self.I(mean, self.data.Close, SLOW)

    def next(self):
        if self.fast[-1] > self.slow[-1]:
            if not self.position:
                self.buy(size=1)
        elif self.position:
            self.position.close()


def main(path: str, days: str) -> None:
    warnings.simplefilter("ignore")
    rows, minutes = load(path, days)
    index = pd.to_datetime(START_S + 60 * pd.RangeIndex(1, minutes + 1), unit="s")
    seconds = gain = 0.0
    fills = 0
    for number in range(SYMBOLS):
        bars = frame(rows[:, number])
        table = pd.DataFrame(
            {name.capitalize(): each * (1 if name == "volume" else QTY) for name, each in bars.items()}, index=index
        )
        test = Backtest(table, Cross, cash=10_000_000, commission=TAKER, trade_on_close=True)
        began = time.process_time()
        done = test.run()
        seconds += time.process_time() - began
        trades = done["_trades"]
        left = len(done["_strategy"].trades)
        fills += 2 * len(trades) + left
        gain += done["Equity Final [$]"] - 10_000_000
    print(json.dumps({"events": minutes * SYMBOLS, "seconds": seconds, "fills": fills, "gain": float(gain)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

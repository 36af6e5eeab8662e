"""backtrader 1.9.78.123 over minute bars of twenty symbols: moving averages that cross.

    python backtrader_bars.py year-of-bars.npy year|DAYS

Its own averages; market orders fill at the next open, which is the close before in these bars.
"""

from __future__ import annotations

import json
import sys
import time

import backtrader as bt
from bars import FAST, QTY, SLOW, START_S, SYMBOLS, TAKER, frame, load


class Feed(bt.feed.DataBase):
    params = (("bars", None),)

    def start(self):
        super().start()
        self.at = 0
        self.columns = [self.p.bars[name].tolist() for name in ("open", "high", "low", "close", "volume")]

    def _load(self):
        at = self.at
        opens, highs, lows, closes, volumes = self.columns
        if at >= len(opens):
            return False
        lines = self.lines
        lines.datetime[0] = 719_163 + (START_S + 60 * (at + 1)) / 86_400
        lines.open[0], lines.high[0], lines.low[0] = opens[at], highs[at], lows[at]
        lines.close[0], lines.volume[0], lines.openinterest[0] = closes[at], volumes[at], 0
        self.at = at + 1
        return True


class Cross(bt.Strategy):
    def __init__(self):
        self.fills = 0
        self.rows = [
            (data, bt.ind.SMA(data.close, period=FAST), bt.ind.SMA(data.close, period=SLOW)) for data in self.datas
        ]
        self.held = [False] * len(self.datas)

    def notify_order(self, order):
        self.fills += order.status == order.Completed

    def next(self):
        for number, (data, fast, slow) in enumerate(self.rows):
            wanted = fast[0] > slow[0]
            if wanted != self.held[number]:
                self.held[number] = wanted
                (self.buy if wanted else self.sell)(data=data, size=QTY)


def main(path: str, days: str) -> None:
    rows, minutes = load(path, days)
    machine = bt.Cerebro(stdstats=False)
    machine.broker.setcash(10_000_000)
    machine.broker.setcommission(commission=TAKER)
    for number in range(SYMBOLS):
        machine.adddata(Feed(bars=frame(rows[:, number])))
    machine.addstrategy(Cross)
    began = time.process_time()
    done = machine.run()[0]
    seconds = time.process_time() - began
    print(
        json.dumps(
            {
                "events": minutes * SYMBOLS,
                "seconds": seconds,
                "fills": done.fills,
                "gain": machine.broker.getvalue() - 10_000_000,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

"""The Turtles' rules: enter at the break of a long range, add at each half range, exit at a short range or a stop."""

import numpy as np

from onetape import Strategy


class Turtle(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    period: str = "1h"
    enter: int = 20  # number of bars whose range must be left to enter
    leave: int = 10  # and to exit
    risk: float = 0.01  # share of the equity that one unit loses by a move of one mean true range
    units: int = 4  # largest number of units
    stop: float = 2.0  # mean true ranges from the last unit's price

    def on_start(self):
        self.subscribe(self.symbol, bars=self.period, history=self.enter + 1)

    def on_bar(self, bar):
        bars = self.bars(self.symbol, self.period, self.enter + 1)
        if len(bars) <= self.enter:
            return
        before = bars.close[:-1]
        ranges = np.maximum(bars.high[1:], before) - np.minimum(bars.low[1:], before)
        mean = float(ranges.mean())
        state = dict(self.memory.get("state", {"side": 0, "units": 0, "last": 0.0, "unit": 0.0}))
        side, close = state["side"], bar.close
        if side == 0:
            side = int(close > bars.high[:-1].max()) - int(close < bars.low[:-1].min())
            if side == 0 or mean == 0:
                return
            unit = self.risk * self.equity / (mean * float(self.instrument(self.symbol).multiplier))
            state = {"side": side, "units": 1, "last": close, "unit": unit}
        else:
            short = slice(-1 - self.leave, -1)
            edge = float(bars.low[short].min() if side > 0 else bars.high[short].max())
            if side * (close - edge) < 0 or side * (close - state["last"]) < -self.stop * mean:
                state = {"side": 0, "units": 0, "last": 0.0, "unit": 0.0}
            elif state["units"] < self.units and side * (close - state["last"]) > mean / 2:
                state |= {"units": state["units"] + 1, "last": close}
            else:
                return
        self.memory["state"] = state
        self.set_target(self.symbol, state["side"] * state["units"] * state["unit"])

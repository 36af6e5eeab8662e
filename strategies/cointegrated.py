"""Trades the residual of a regression of one price on another, as long as that residual is mean-reverting."""

import numpy as np

from onetape import Strategy


class Cointegrated(Strategy):
    a: str = "binance:BTC/USDT:USDT"
    b: str = "binance:ETH/USDT:USDT"
    period: str = "5m"
    window: int = 200  # number of bars in the regression
    enter: float = 2.0  # standard deviations of the residual
    leave: float = 0.5
    surety: float = -3.37  # Dickey-Fuller t of the residual, 5 % for residuals of two prices (MacKinnon 2010)
    gross: float = 0.8  # of the equity, both legs together; the rest pays spreads and fees

    def on_start(self):
        for symbol in (self.a, self.b):
            self.subscribe(symbol, bars=self.period, history=self.window)
        self.side = self.memory.get("side", 0)  # 1: long a and short b

    def on_bar(self, bar):
        a, b = (np.log(self.bars(s, self.period, self.window).close) for s in (self.a, self.b))
        if bar.symbol != self.b or min(len(a), len(b)) < self.window:
            return
        centred = b - b.mean()
        if not centred.any():
            return
        beta = float(centred @ (a - a.mean()) / (centred @ centred))
        rest = a - a.mean() - beta * centred
        away = float(rest[-1] / rest.std()) if rest.std() > 0 else 0.0
        # Exit by the residual alone; enter only while it is mean-reverting.
        if self.side and self.side * away > -self.leave:
            self.side = 0
        if not self.side and abs(away) > self.enter and beta > 0 and comes_back(rest) < self.surety:
            self.side = -1 if away > 0 else 1
        elif self.side:
            return  # the weights of the entry stay: each new beta would cost a trade
        self.memory["side"] = self.side
        share = self.side * self.gross / (1 + abs(beta))
        self.set_weights({self.a: share, self.b: -share * beta})


def comes_back(rest):
    """Returns the Dickey-Fuller t: how strongly a change reverts the previous value's distance from zero."""
    before, change = rest[:-1], np.diff(rest)
    slope = before @ change / (before @ before)
    left = change - slope * before
    deviation = np.sqrt(left @ left / (len(left) - 1) / (before @ before))
    return float(slope / deviation) if deviation > 0 else -np.inf

"""Buys the symbols that rose most and sells those that rose least, weighted by inverse volatility."""

import numpy as np

from onetape import Strategy


class Momentum(Strategy):
    symbols: tuple[str, ...] = ("binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT")
    period: str = "1h"
    lookback: int = 48  # number of bars over which a rise is measured
    every: int = 24  # number of bars between two choices
    best: int = 1  # number held on each side
    gross: float = 0.8  # of the equity, both sides together; the rest pays spreads and fees
    band: float = 0.02  # of the equity: a position this near its weight stays

    def on_start(self):
        if 2 * self.best > len(self.symbols):
            raise ValueError(f"best={self.best} on both sides wants {2 * self.best} symbols")
        for symbol in self.symbols:
            self.subscribe(symbol, bars=self.period, history=self.lookback + 1)

    def on_bar(self, bar):
        # One choice a bar, when the last of the symbols has closed: all bars of that time are present.
        if bar.symbol != self.symbols[-1] or bar.ts_close // (bar.ts_close - bar.ts_open) % self.every:
            return
        closes = {s: self.bars(s, self.period, self.lookback + 1).close for s in self.symbols}
        ready = {s: c for s, c in closes.items() if len(c) > self.lookback}
        if len(ready) < 2 * self.best:
            return
        ranked = sorted(ready, key=lambda symbol: ready[symbol][-1] / ready[symbol][0])
        chosen = dict.fromkeys(ranked[: self.best], -1.0) | dict.fromkeys(ranked[-self.best :], 1.0)
        # The same risk on each: twice the volatility gets half the weight.
        moves = {s: float(np.diff(np.log(ready[s])).std()) for s in chosen}
        if not all(moves.values()):
            return
        shares = {s: 1 / moves[s] for s in chosen}
        scale = self.gross / sum(shares.values())
        weights = {s: chosen.get(s, 0.0) * shares.get(s, 0.0) * scale for s in ready}
        self.set_weights(weights, band=self.band)

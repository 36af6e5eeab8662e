"""Trades a close outside the last bars' range; a stop at the venue follows the best price since."""

from onetape import Strategy


class TrailingBreakout(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    period: str = "1m"
    window: int = 20  # number of bars whose range must be left
    trail: str = "1%"  # behind the best price since the entry; the stop is at the venue
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True, bars=self.period, history=self.window + 1)

    def on_bar(self, bar):
        bars = self.bars(self.symbol, self.period, self.window + 1)
        if len(bars) <= self.window or self.position(self.symbol).qty or self.orders(self.symbol):
            return
        if bar.close > bars.high[:-1].max():
            self.buy(self.symbol, self.size, trail=self.trail)
        elif bar.close < bars.low[:-1].min():
            self.sell(self.symbol, self.size, trail=self.trail)

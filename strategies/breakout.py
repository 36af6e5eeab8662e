"""Trades a close outside the last bars' range, long or short, until the opposite break."""

from onetape import Strategy


class Breakout(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    period: str = "1m"  # "15s", "4h"; "1m@trade" and "1m@mid" choose what bars are built from
    window: int = 20  # number of bars whose range must be left
    size: float = 0.01

    def on_start(self):
        # The bars before the start are present when this returns: no warm-up is needed.
        self.subscribe(self.symbol, bars=self.period, history=self.window + 1)

    def on_bar(self, bar):
        bars = self.bars(self.symbol, self.period, self.window + 1)
        if len(bars) <= self.window:
            return
        # The range without the bar that just closed, which is compared with it.
        if bar.close > bars.high[:-1].max():
            self.set_target(self.symbol, self.size)
        elif bar.close < bars.low[:-1].min():
            self.set_target(self.symbol, -self.size)

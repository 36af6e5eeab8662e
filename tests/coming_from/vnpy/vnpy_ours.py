from onetape import Strategy


class Bands(Strategy):
    window: int = 20
    width: float = 2.0
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=self.window)

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", self.window).close
        if len(closes) < self.window:
            return
        middle, band = closes.mean(), self.width * closes.std()
        quantity = self.position(self.symbol).qty
        if quantity == 0 and abs(bar.close - middle) > band:
            self.set_target(self.symbol, self.size if bar.close > middle else -self.size)
        elif quantity * (bar.close - middle) < 0:
            self.set_target(self.symbol, 0)

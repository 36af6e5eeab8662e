from onetape import Strategy


class Cross(Strategy):
    fast: int = 10
    slow: int = 30
    symbol: str = "binance:BTC/USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=self.slow)

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", self.slow).close
        if len(closes) == self.slow:
            above = closes[-self.fast :].mean() > closes.mean()
            self.set_target(self.symbol, self.size if above else 0)

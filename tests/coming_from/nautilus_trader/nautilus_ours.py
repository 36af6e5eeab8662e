from onetape import Strategy


class Cross(Strategy):
    fast: int = 10
    slow: int = 30
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="1m@mid")
        self.count = 0

    def on_bar(self, bar):
        if self.count == 0:
            self.fast_mean = self.slow_mean = bar.close
        self.fast_mean += 2 / (self.fast + 1) * (bar.close - self.fast_mean)
        self.slow_mean += 2 / (self.slow + 1) * (bar.close - self.slow_mean)
        self.count += 1
        if self.count >= self.slow:
            self.set_target(self.symbol, self.size if self.fast_mean > self.slow_mean else 0)

from onetape import Strategy


class Cross(Strategy):
    fast: int = 10                      # annotated class attributes are parameters (--param fast=20)
    slow: int = 30
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=self.slow)

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", self.slow).close      # numpy, oldest first, completed bars only
        if len(closes) == self.slow:
            self.set_target(self.symbol, self.size if closes[-self.fast:].mean() > closes.mean() else 0)

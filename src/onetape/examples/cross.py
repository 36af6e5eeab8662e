from onetape import Strategy


class Cross(Strategy):
    """Holds while the short average of closes is above the long one."""

    fast: int = 10  # annotated class attributes are parameters: --param fast=20
    slow: int = 30
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=self.slow)

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", self.slow).close  # oldest first, completed bars only
        if len(closes) == self.slow:
            above = closes[-self.fast :].mean() > closes.mean()
            self.set_target(self.symbol, self.size if above else 0)

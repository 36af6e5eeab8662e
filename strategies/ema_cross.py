"""Long while the fast exponential mean of closes is above the slow one, short while it is below."""

from onetape import Strategy


class EmaCross(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    period: str = "5m"
    fast: int = 5  # bars; the weight of the newest close is 2 / (n + 1)
    slow: int = 10
    size: float = 0.01

    def on_start(self):
        if not 1 <= self.fast < self.slow:
            raise ValueError(f"fast={self.fast} has to be less than slow={self.slow}")
        # Bars four slow means ago still weigh 0.03 %.
        self.subscribe(self.symbol, bars=self.period, history=4 * self.slow)
        self.means, self.seen = None, 0
        for close in self.bars(self.symbol, self.period, 4 * self.slow).close:
            self.take(float(close))

    def take(self, close):
        self.seen += 1
        if self.means is None:
            self.means = [close, close]
        for number, length in enumerate((self.fast, self.slow)):
            self.means[number] += 2 / (length + 1) * (close - self.means[number])

    def on_bar(self, bar):
        self.take(bar.close)
        fast, slow = self.means
        if self.seen >= self.slow and fast != slow:
            self.set_target(self.symbol, self.size if fast > slow else -self.size)

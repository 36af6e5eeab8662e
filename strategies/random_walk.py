"""Trades at random: the baseline that any idea has to beat, after fees."""

from onetape import Strategy


class RandomTrader(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    every: str = "10s"
    size: float = 0.01
    chance: float = 0.5  # probability of changing its position at a tick

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("toss", every=self.every)

    def on_timer(self, name):
        # self.random is seeded by the run (--seed), so the same run draws the same numbers again. With the random
        # module a replay would end in other trades.
        if self.random.random() >= self.chance:
            return
        side = self.random.choice((-1, 0, 1))
        # set_target sends only what is missing: from short to long is one order of twice the size.
        self.set_target(self.symbol, side * self.size)

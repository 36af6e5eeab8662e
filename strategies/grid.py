"""Buys a step below and sells a step above: every round trip inside a range earns one step."""

from onetape import Strategy


class Grid(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    step: float = 0.002  # distance of two levels, as a share of the price
    levels: int = 5  # on each side
    size: float = 0.01  # of one level

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        # The middle is stored on the tape: after a restart the grid keeps its place, instead of moving to the current
        # price.
        self.middle = self.memory.get("middle")

    def on_quote(self, quote):
        if self.middle is None:
            self.middle = self.memory["middle"] = quote.mid
        # Levels count in steps from the middle. With a position of two sizes, levels -1 and -2 have been bought: bids
        # go on at -3, and the first ask, one step above the last purchase, at -1.
        held = round(self.position(self.symbol).qty / self.size)
        bids = [self.level(n) for n in range(-held - 1, -self.levels - 1, -1)]
        asks = [self.level(n) for n in range(1 - held, self.levels + 1)]
        # Only differences are sent; an unchanged level keeps its queue position.
        self.set_quotes(self.symbol, bids, asks, keep_within=1)

    def level(self, number):
        return self.middle * (1 + self.step * number), self.size

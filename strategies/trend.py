"""Buys after a rise of 1 % within a minute and leaves after a fall of half a percent."""

from onetape import Strategy


class Trend(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    rise: float = 0.01  # rise of one minute's close over the one before: buy
    fall: float = 0.005  # fall of one minute's close: sell the position
    value: float = 1000.0  # of a position, in quote currency: more than one lot (0.001 BTC)

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="1m", history=2)

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", 2).close
        if len(closes) < 2:
            return
        change = closes[-1] / closes[0] - 1
        wants = self.memory.get("wants", 0.0)  # also when an entry is not filled yet
        if wants == 0 and change > self.rise:
            wants = self.value / bar.close
        elif wants > 0 and change < -self.fall:
            wants = 0.0
        else:
            return
        self.memory["wants"] = wants
        # It rests at the best price of its side, follows the market, and is retried after a rejection.
        self.set_target(self.symbol, wants, algo="join")

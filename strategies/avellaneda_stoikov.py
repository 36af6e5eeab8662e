"""Quotes around a price shifted against its position (Avellaneda and Stoikov 2008), fitted as it runs."""

from math import ceil, floor, log

from onetape import Strategy


class AvellanedaStoikov(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    risk: float = 0.01  # risk aversion, per tick and unit
    horizon: float = 60.0  # seconds for which a position may have to be held
    size: float = 0.01  # of a quote: the unit of the position
    most: int = 5  # largest position in units, long or short
    keep_within: int = 50  # a quote this many ticks off stays: its queue position is worth more
    memory_s: float = 120.0  # seconds after which an observation counts for a third

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True)
        self.tick = float(self.instrument(self.symbol).tick)
        self.variance = 0.0  # of the mid, square ticks a second
        self.reach = 0.0  # mean distance of trades from the mid, ticks: 1 / kappa
        self.mid, self.seen, self.begun = 0.0, 0, 0

    def on_trade(self, trade):
        if self.mid:
            distance = max(abs(trade.price / self.tick - self.mid), 0.1)
            self.reach += (distance - self.reach) * (0.05 if self.reach else 1.0)

    def on_quote(self, quote):
        mid = quote.mid / self.tick
        if self.mid and (seconds := (quote.ts_recv - self.seen) / 1e9) > 0:
            weight = min(seconds / self.memory_s, 1.0)
            self.variance += weight * ((mid - self.mid) ** 2 / seconds - self.variance)
        self.mid, self.seen = mid, quote.ts_recv
        self.begun = self.begun or quote.ts_recv
        if self.reach and self.seen - self.begun > self.memory_s * 1e9 / 2:
            self.work(quote)

    def work(self, quote):
        held = round(self.position(self.symbol).qty / self.size)
        danger = self.risk * self.variance * self.horizon
        middle = self.mid - held * danger
        half = danger / 2 + log(1 + self.risk * self.reach) / self.risk
        # Never beyond the other side: quotes must rest, not take.
        bid = min(floor(middle - half), round(quote.ask / self.tick) - 1) * self.tick
        ask = max(ceil(middle + half), round(quote.bid / self.tick) + 1) * self.tick
        bids = [(bid, self.size)] if held < self.most else []
        asks = [(ask, self.size)] if held > -self.most else []
        self.set_quotes(self.symbol, bids, asks, keep_within=self.keep_within)

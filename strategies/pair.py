"""Long one leg and short the other when their ratio leaves its mean; closes when it returns."""

from collections import deque
from statistics import fmean, pstdev

from onetape import Strategy


class Pair(Strategy):
    a: str = "binance:BTC/USDT:USDT"
    b: str = "binance:ETH/USDT:USDT"
    every: str = "1s"  # how often the ratio is checked
    window: int = 60  # number of checks in the mean
    enter: float = 2.0  # standard deviations
    leave: float = 0.5
    value: float = 1000.0  # of each leg, in quote currency
    slice: float = 250.0  # of one order: the most that one leg is ever ahead of the other

    def on_start(self):
        for symbol in (self.a, self.b):
            self.subscribe(symbol, quotes=True)
        self.ratios = deque(maxlen=self.window)
        self.wish = 0  # 1: long a, short b; -1: the other way round
        self.set_timer("look", every=self.every)

    def on_timer(self, name):
        quotes = self.quote(self.a), self.quote(self.b)
        if None in quotes:
            return
        ratio = quotes[0].mid / quotes[1].mid
        if len(self.ratios) == self.window and (spread := pstdev(self.ratios)) > 0:
            away = (ratio - fmean(self.ratios)) / spread
            if abs(away) > self.enter:
                self.wish = -1 if away > 0 else 1
            elif abs(away) < self.leave:
                self.wish = 0
        self.ratios.append(ratio)
        self.work()

    def on_fill(self, fill):
        self.work()

    def work(self):
        """Send one slice of each leg at a time. While any order works nothing more is sent, so an unfilled or
        refused leg leaves the pair at most one slice out of balance."""
        if self.orders():
            return
        mids = [self.quote(symbol).mid for symbol in (self.a, self.b)]
        held = [self.position(s).qty * mid for s, mid in zip((self.a, self.b), mids, strict=True)]
        ahead = held[0] + held[1]  # the legs have opposite signs: their sum is unhedged
        for symbol, mid, have, sign in zip((self.a, self.b), mids, held, (1, -1), strict=True):
            step = sign * self.wish * self.value - have
            # The leg that is ahead waits for the other one.
            if abs(step) < self.slice / 10 or (abs(ahead) > self.slice / 2 and ahead * step > 0):
                continue
            step = max(-self.slice, min(self.slice, step))
            self.set_target(symbol, (have + step) / mid)

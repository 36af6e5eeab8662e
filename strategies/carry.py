"""Earns funding: short a perpetual contract and long the same coin on spot while longs pay enough."""

from onetape import Strategy


class Carry(Strategy):
    perpetual: str = "binance:BTC/USDT:USDT"
    spot: str = "binance:BTC/USDT"
    enter: float = 0.0002  # smallest funding rate of one payment that covers the fees
    leave: float = 0.0
    value: float = 1000.0  # of each leg, in quote currency
    slice: float = 250.0  # of one order: the most that one leg is ever ahead of the other

    def on_start(self):
        self.subscribe(self.perpetual, quotes=True, funding=True)
        self.subscribe(self.spot, quotes=True)
        self.set_timer("work", every="1s")

    def on_funding(self, funding):
        if funding.rate >= self.enter:
            self.memory["holds"] = True
        elif funding.rate <= self.leave:
            self.memory["holds"] = False

    def on_fill(self, fill):
        self.work()

    def on_timer(self, name):
        self.work()

    def work(self):
        """Make the spot leg follow the contract's fills; a refused leg stops both."""
        quotes = [self.quote(symbol) for symbol in (self.perpetual, self.spot)]
        if None in quotes or self.orders():
            return
        perpetual, spot = (self.position(symbol).qty for symbol in (self.perpetual, self.spot))
        lot = max(float(self.instrument(symbol).lot) for symbol in (self.perpetual, self.spot))
        if abs(perpetual + spot) >= lot * (1 - 1e-9):
            self.set_target(self.spot, -perpetual)
            return
        wish = -self.value / quotes[0].mid if self.memory.get("holds") else 0.0
        most = self.slice / quotes[0].mid
        step = max(-most, min(most, wish - perpetual))
        # The price changes the wanted size: a tenth of a slice is not worth a trade, but closing is.
        if abs(step) >= (lot if wish == 0 else most / 10):
            self.set_target(self.perpetual, perpetual + step)

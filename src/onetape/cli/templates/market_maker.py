from onetape import Strategy


class MarketMaker(Strategy):
    """Quotes both sides of the mid and leans against what it holds."""

    symbol: str = "kraken:BTC/USD"
    size: float = 0.01
    edge: float = 0.00001  # from the mid to each quote, as a part of the price
    most: float = 0.05  # it buys up to this position
    least: float = 0.0  # it sells down to this position; below 0 it would go short
    stays: float = 10.0  # seconds that a quote stays: venues let few be moved, and young ones the least

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("requote", every="1s")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        moved = max((order.ts_created for order in self.orders(self.symbol)), default=0)
        if quote is None or self.now < moved + self.stays * 1e9:
            return
        held = self.position(self.symbol).qty
        lean = self.edge * (held - (self.most + self.least) / 2) / (self.most - self.least)
        centre = quote.mid * (1 - lean)
        bids = [(centre * (1 - self.edge), self.size)] if held + self.size <= self.most else []
        asks = [(centre * (1 + self.edge), self.size)] if held - self.size >= self.least else []
        self.set_quotes(self.symbol, bids, asks)

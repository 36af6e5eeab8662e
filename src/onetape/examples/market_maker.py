from onetape import Strategy


class MarketMaker(Strategy):
    """Quotes both sides of the touch and leans against what it holds."""

    symbol: str = "kraken:BTC/USD"
    size: float = 0.01
    edge: float = 0.0001  # half the spread it asks for, as a part of the price
    most: float = 0.05  # the position at which it stops adding

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("requote", every="1s")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        if quote is None:
            return
        held = self.position(self.symbol).qty
        centre = quote.mid * (1 - self.edge * held / self.most)
        bids = [(centre * (1 - self.edge), self.size)] if held < self.most else []
        asks = [(centre * (1 + self.edge), self.size)] if held > -self.most else []
        self.set_quotes(self.symbol, bids, asks)

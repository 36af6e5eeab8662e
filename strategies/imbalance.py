"""Trades with the heavier side of the order book, and closes when the imbalance is gone."""

from onetape import Strategy


class Imbalance(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    depth: int = 5  # levels of each side
    enter: float = 0.6  # (bids - asks) / (bids + asks), of their sizes
    leave: float = 0.1
    rest: str = "1s"  # between two looks: shorter flickering is ignored
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, book=True, quotes=True)
        self.set_timer("look", every=self.rest)
        self.side = self.memory.get("side", 0)

    def on_timer(self, name):
        book = self.book(self.symbol)
        bids, asks = book.bids(self.depth), book.asks(self.depth)
        if not book.synced or not bids or not asks:
            return
        ours = {"buy": 0.0, "sell": 0.0}  # our own orders are no signal
        for order in self.orders(self.symbol):
            ours[order.side] += order.remaining
        bid = max(sum(size for _, size in bids) - ours["buy"], 0.0)
        ask = max(sum(size for _, size in asks) - ours["sell"], 0.0)
        weight = (bid - ask) / (bid + ask) if bid + ask else 0.0
        if abs(weight) > self.enter:
            self.side = 1 if weight > 0 else -1
        elif self.side * weight < self.leave:
            self.side = 0
        else:
            return
        self.memory["side"] = self.side
        self.set_target(self.symbol, self.side * self.size)

from onetape import Strategy


class Touch(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, book=True)
        self.set_timer("step", every="1s")

    def on_timer(self, name):
        book, position = self.book(self.symbol), self.position(self.symbol)
        if not book.synced:
            return
        price = book.best_ask[0] if position else book.best_bid[0]
        for order in self.orders(self.symbol):
            if order.price != price:
                self.cancel(order)
            return
        if position:
            self.sell(self.symbol, position.qty, price, post_only=True)
        else:
            self.buy(self.symbol, self.size, price, post_only=True)

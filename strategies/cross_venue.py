"""Buy where it is cheaper and sell where it is dearer, once the gap pays the fees of both."""

from onetape import Strategy


class CrossVenue(Strategy):
    a: str = "binance:BTC/USDT:USDT"
    b: str = "kraken:BTC/USD:USD"
    size: float = 0.01  # of one deal, in coins
    limit: float = 0.05  # the most that either leg is long or short
    edge: float = 0.0002  # wanted beyond the fees, as a part of the price

    def on_start(self):
        for symbol in (self.a, self.b):
            self.subscribe(symbol, quotes=True)

    def on_quote(self, quote):
        quotes = {symbol: self.quote(symbol) for symbol in (self.a, self.b)}
        if None in quotes.values() or self.orders():
            return  # one deal at a time
        held = {symbol: self.position(symbol).qty for symbol in quotes}
        ahead = sum(held.values())
        lot = max(float(self.instrument(symbol).lot) for symbol in quotes)  # that both can trade
        if abs(ahead) > lot / 2:
            self.even_out(max(held, key=lambda symbol: held[symbol] * ahead), ahead)
            return
        for cheap, dear in ((self.a, self.b), (self.b, self.a)):
            ask, bid = quotes[cheap].ask, quotes[dear].bid
            fees = float(self.instrument(cheap).taker_fee + self.instrument(dear).taker_fee)
            if bid - ask > ask * (fees + self.edge):
                qty = min(
                    self.size, quotes[cheap].ask_size, quotes[dear].bid_size,
                    self.limit - held[cheap], self.limit + held[dear],
                    self.money_for(cheap, 1, ask), self.money_for(dear, -1, bid),
                )  # fmt: skip
                if (qty := int(qty / lot + 1e-9) * lot) > 0:
                    self.buy(cheap, qty, tag="cheap")
                    self.sell(dear, qty, tag="dear")

    def money_for(self, symbol, sign, price):
        """How much the account at this venue can buy (sign 1) or sell (-1) there, in coins. Money
        at the other venue is of no use here."""
        facts = self.instrument(symbol)
        if facts.kind == "spot" and sign < 0:
            return self.balance(facts.base, venue=facts.venue).available
        free = self.balance(facts.settle, venue=facts.venue).available
        qty = max(free, 0) / (price * (1 + float(facts.taker_fee))) * 0.99
        return qty if facts.kind == "spot" else qty + max(-sign * self.position(symbol).qty, 0)

    def even_out(self, symbol, ahead):
        """A leg came without the other: out of it, whatever it costs."""
        (self.sell if ahead > 0 else self.buy)(symbol, abs(ahead), tag="even")

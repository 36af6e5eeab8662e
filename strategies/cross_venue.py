"""Buy where it is cheaper and sell where it is dearer, once the gap pays the fees of both."""

from onetape import Strategy


class CrossVenue(Strategy):
    a: str = "binance:BTC/USDT:USDT"
    b: str = "kraken:BTC/USD:USD"
    size: float = 0.01  # of one deal, in coins
    limit: float = 0.05  # largest position of either leg, long or short
    edge: float = 0.0002  # wanted beyond the fees, as a share of the price

    def on_start(self):
        facts = [self.instrument(symbol) for symbol in (self.a, self.b)]
        self.lot = max(float(each.lot) for each in facts)  # largest quantity that both can trade
        self.cost = float(sum(each.taker_fee for each in facts)) + self.edge
        for symbol in (self.a, self.b):
            self.subscribe(symbol, quotes=True)

    def on_quote(self, quote):
        quotes = {symbol: self.quote(symbol) for symbol in (self.a, self.b)}
        if None in quotes.values() or self.orders():
            return  # one deal at a time
        held = {symbol: self.position(symbol).qty for symbol in quotes}
        ahead = sum(held.values())
        if abs(ahead) > self.lot / 2:  # one leg filled without the other: close it
            longer = max(held, key=lambda symbol: held[symbol] * ahead)
            (self.sell if ahead > 0 else self.buy)(longer, abs(ahead), tag="even")
            return
        for cheap, dear in ((self.a, self.b), (self.b, self.a)):
            ask, bid = quotes[cheap].ask, quotes[dear].bid
            room = min(self.limit - held[cheap], self.limit + held[dear])
            if room < self.lot / 2 or bid - ask <= ask * self.cost:
                continue
            qty = min(
                self.size,
                room,
                quotes[cheap].ask_size,
                quotes[dear].bid_size,
                self.money_for(cheap, 1, ask),
                self.money_for(dear, -1, bid),
            )
            if (qty := int(qty / self.lot + 1e-9) * self.lot) > 0:
                self.buy(cheap, qty, tag="cheap")
                self.sell(dear, qty, tag="dear")

    def money_for(self, symbol, sign, price):
        """Returns how much the account at this venue can buy (sign 1) or sell (-1) there, in coins. Money at the
        other venue cannot be used here."""
        facts = self.instrument(symbol)
        if facts.kind == "spot" and sign < 0:
            return self.balance(facts.base, venue=facts.venue).available
        free = self.balance(facts.settle, venue=facts.venue).available
        qty = max(free, 0) / (price * (1 + float(facts.taker_fee))) * 0.99
        return qty if facts.kind == "spot" else qty + max(-sign * self.position(symbol).qty, 0)

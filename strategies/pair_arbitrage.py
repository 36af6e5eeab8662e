"""Two books of one instrument: long where it is cheaper, short where it is dearer, each with a leg."""

from onetape import Strategy


class Leg(Strategy):  # holds the parent's target of one symbol
    symbol: str = ""

    def on_start(self):
        self.failed, self.lost, self.venue = 0, set(), self.symbol.partition(":")[0]  # failed orders; lost gateways
        self.subscribe(self.symbol, quotes=True)

    def on_order(self, order):
        self.failed = 0 if order.filled else self.failed + order.is_closed
        if order.is_closed and not order.filled:  # its target would be retried later: the parent decides
            self.set_target(self.symbol, self.held)

    def on_health(self, health):
        if self.accounts.get(health.subject) == self.venue and health.kind in ("gateway", "account stream"):
            (self.lost.discard if health.state == "live" else self.lost.add)(health.kind)

    def move(self, step):
        self.failed += getattr(self.set_target(self.symbol, self.held + step), "state", "") == "DENIED"  # at once

    held = property(lambda self: self.position(self.symbol).qty)


class PairArbitrage(Strategy):
    a: str = "binance:BTC/USDT:USDT"
    b: str = "kraken:BTC/USD:USD"
    size: float = 0.05  # of each leg at most, in coins
    slice: float = 0.01  # of one order: the most that one leg is ever ahead of the other
    edge: float = 0.0005  # wanted beyond the fees, as a share of the price
    tries: int = 3  # orders for a leg that is behind; then the other leg is closed and trading ends

    def on_start(self):
        self.legs = [self.child(Leg, name, symbol=getattr(self, name)) for name in "ab"]
        self.lot = max(float(self.instrument(leg.symbol).lot) for leg in self.legs)  # both can trade it
        self.cost = 2 * float(sum(self.instrument(leg.symbol).taker_fee for leg in self.legs)) + self.edge
        self.on("quote", lambda quote: self.work(*self.legs))

    def work(self, a, b):
        """Send one step of both legs at a time; a leg that is behind comes first."""
        quotes = [self.quote(leg.symbol) for leg in self.legs]
        if None in quotes or any(self.orders(leg.symbol) for leg in self.legs if not leg.lost):
            return
        ahead = a.held + b.held  # the legs have opposite signs
        step = max(-self.slice, min(self.slice, self.wish(*quotes, a.held) - a.held))
        if abs(ahead) > self.lot / 2:
            behind, other = (a, b) if abs(a.held) < abs(b.held) else (b, a)
            (other if behind.lost or behind.failed >= self.tries else behind).move(-ahead)
        elif abs(step) > self.lot / 2 and max(a.failed, b.failed) < self.tries and not a.lost | b.lost:
            a.move(step)
            b.move(-step)

    def wish(self, a, b, held):  # enter when the gap covers the costs of both trades, exit when it is gone
        if max(b.bid - a.ask, a.bid - b.ask) > a.mid * self.cost:
            return self.size if b.bid > a.ask else -self.size
        return held if held * (b.mid - a.mid) > 0 else 0

"""Strategies of the golden runs: busy, and a function of their seed and of what they are shown."""

from onetape import Strategy, compiled


class Busy(Strategy):
    """Orders of every kind, at random, near the price it last saw."""

    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.05
    every: int = 25
    spread: int = 30  # ticks
    hedge: bool = False
    period: str = ""  # acts on bars instead of quotes and trades

    def on_start(self):
        if self.period:
            self.subscribe(self.symbol, bars=self.period, funding=True, mark=True)
        else:
            self.subscribe(self.symbol, quotes=True, trades=True, funding=True, mark=True)
        self.n = 0

    def on_quote(self, q):
        self.look(q.mid)

    def on_trade(self, t):
        self.look(t.price)

    def on_bar(self, bar):
        self.look(bar.close)

    def look(self, price):
        self.n += 1
        if self.n % self.every:
            return
        r, tick = self.random, float(self.instrument(self.symbol).tick)
        side = self.buy if r.random() < 0.5 else self.sell
        near = round(price / tick + r.randint(-self.spread, self.spread)) * tick
        lots = r.randint(1, 3) * self.size
        options = {"position_side": r.choice(["long", "short"])} if self.hedge else {}
        what = r.random()
        if what < 0.25:
            side(self.symbol, lots, **options)
        elif what < 0.5:
            side(self.symbol, lots, near, post_only=r.random() < 0.5, **options)
        elif what < 0.6:
            side(self.symbol, lots, near, tif=r.choice(["IOC", "FOK"]), **options)
        elif what < 0.8:
            by = r.choice(["last", "mark"])
            reduces = r.random() < 0.5
            side(self.symbol, lots, trigger=near, trigger_by=by, reduce_only=reduces, **options)
        else:
            working = self.orders(self.symbol)
            if working and what < 0.9:
                self.amend(working[0], price=near if working[0].price else None, qty=lots)
            elif working:
                self.cancel(working[-1])

    def on_fill(self, fill):
        self.memory["fills"] = self.memory.get("fills", 0) + 1


class Bracket(Strategy):
    """Every fourth bar a position with a stop and a target in reach of the same bars."""

    symbol: str = "binance:BTC/USDT:USDT"
    period: str = "1m"
    size: float = 1.0
    reach: float = 0.0005

    def on_start(self):
        self.subscribe(self.symbol, bars=self.period)
        self.n = 0

    def on_bar(self, bar):
        self.n += 1
        if self.n % 4 == 1:
            self.cancel_all()
            self.set_target(self.symbol, self.size if self.n % 8 == 1 else -self.size)
        elif self.n % 4 == 2:
            held = self.position(self.symbol).qty
            if held:
                out, way = (self.sell, 1) if held > 0 else (self.buy, -1)
                out(self.symbol, abs(held), trigger=bar.close * (1 - way * self.reach), reduce_only=True, tag="stop")
                out(self.symbol, abs(held), bar.close * (1 + way * self.reach), reduce_only=True, tag="target")


class Joiner(Strategy):
    """Stands at both touches and waits for its turn."""

    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.2

    def on_start(self):
        self.subscribe(self.symbol, book=True)

    def on_book(self, book):
        working = {order.side: order for order in self.orders(self.symbol)}
        for side, best in (("buy", book.best_bid), ("sell", book.best_ask)):
            order = working.get(side)
            if order is None:
                send = self.buy if side == "buy" else self.sell
                send(self.symbol, self.size, best[0], post_only=True)
            elif order.price != best[0] and order.state == "ACCEPTED":
                self.amend(order, price=best[0])


@compiled
class Fast(Strategy):
    """Two averages of the mid, as a compiled strategy."""

    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.05

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.fast = 0.0
        self.slow = 0.0
        self.n = 0

    def on_quote(self, q):
        self.n += 1
        if self.n == 1:
            self.fast = self.slow = q.mid
        self.fast += (q.mid - self.fast) * 0.1
        self.slow += (q.mid - self.slow) * 0.01
        held = self.position(self.symbol).qty
        if self.fast > self.slow and held <= 0.0:
            self.buy(self.symbol, self.size)
        elif self.fast < self.slow and held >= 0.0:
            self.sell(self.symbol, self.size)

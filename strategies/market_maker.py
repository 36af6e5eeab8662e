"""Quotes both sides of the mid of others' orders, and never exceeds its position limits, however it fills."""

from math import ceil, floor

from onetape import Strategy


class MarketMaker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    shift: int = 5  # ticks from the mid to each quote
    buy_by: float = 1.0  # size of a bid
    sell_by: float = 1.0
    buy_limit: float = 1.0  # largest position
    sell_limit: float = -1.0  # smallest position
    keep_within: int = 2  # a quote this many ticks off stays: its queue position is worth more

    def on_start(self):
        self.mid, self.waits_until = None, {"buy": 0, "sell": 0}
        self.subscribe(self.symbol, quotes=True)

    def on_order(self, order):
        # An order is closed: there may be room again. After a rejection wait for the market to move, and an order
        # denied by a gateway would be denied again: that side waits, the other goes on.
        if order.state == "DENIED":
            self.waits_until[order.side] = self.now + 1_000_000_000
        elif order.is_closed and order.state != "REJECTED" and (quote := self.quote(self.symbol)):
            self.on_quote(quote)

    def on_quote(self, quote):
        held, tick = self.position(self.symbol).qty, float(self.instrument(self.symbol).tick)
        # A best price that is all ours is no information: use the others' opposite side and the last spread.
        bid_is_ours = quote.bid_size <= self.ours_at(quote.bid)
        ask_is_ours = quote.ask_size <= self.ours_at(quote.ask)
        if self.mid is None or not (bid_is_ours or ask_is_ours):
            self.mid, self.half = quote.mid / tick, (quote.ask - quote.bid) / tick / 2
        elif bid_is_ours != ask_is_ours:
            self.mid = quote.ask / tick - self.half if bid_is_ours else quote.bid / tick + self.half
        # Ticks are whole: a mid between two ticks is rounded away from the market.
        self.work("buy", floor(self.mid + 1e-6) - self.shift, self.buy_by, self.buy_limit - held)
        self.work("sell", ceil(self.mid - 1e-6) + self.shift, self.sell_by, held - self.sell_limit)

    def ours_at(self, price):  # size of our own quotes there
        return sum(o.remaining for o in self.orders(self.symbol) if o.price == price) * (1 + 1e-6)

    def work(self, side, ticks, size, room):
        """Keep one quote of at most `size` near `ticks`, if the working orders leave `room`."""
        facts = self.instrument(self.symbol)
        tick, lot = float(facts.tick), float(facts.lot)
        working = [order for order in self.orders(self.symbol) if order.side == side]
        for order in working:
            moved = abs(round(order.price / tick) - ticks) > self.keep_within
            if moved or order.remaining > room + lot / 2:
                self.cancel(order)
        # An order being canceled may still fill: it counts until it is closed.
        size = min(size, room - sum(order.remaining for order in working))
        is_free = all(o.state == "PENDING_CANCEL" for o in working)
        if size >= lot * (1 - 1e-6) and is_free and self.now >= self.waits_until[side]:
            send = self.buy if side == "buy" else self.sell
            self.on_order(send(self.symbol, size, ticks * tick, post_only=True, tag="quote"))

"""Quotes both sides of the mid that others make, and never holds more than it may, however fast its
quotes fill."""

from math import ceil, floor

from onetape import Strategy


class MarketMaker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    shift: int = 5  # ticks from the mid to each quote
    buy_by: float = 1.0  # size of a bid
    sell_by: float = 1.0
    buy_limit: float = 1.0  # the position never rises above it
    sell_limit: float = -1.0  # and never falls below this
    keep_within: int = 2  # a quote this many ticks off stays: its place in the queue is worth more

    def on_start(self):
        self.mid = self.half = None  # of the market without us, in ticks: middle, half its spread
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.requote(quote)

    def on_order(self, order):
        # An order is gone, so there may be room again. After a rejection wait for the next quote:
        # the market that refused this price has not moved yet.
        if order.is_closed and order.state != "REJECTED" and (quote := self.quote(self.symbol)):
            self.requote(quote)

    def requote(self, quote):
        held = self.position(self.symbol).qty
        mid = self.mid = self.outside_mid(quote)
        # Ticks are whole: a mid between two ticks goes away from the market.
        self.work("buy", floor(mid + 1e-6) - self.shift, self.buy_by, self.buy_limit - held)
        self.work("sell", ceil(mid - 1e-6) + self.shift, self.sell_by, held - self.sell_limit)

    def outside_mid(self, quote):
        """The middle of what others quote. Where only we stand at the top, theirs is not seen: it
        is half the last spread of theirs away from the other side, or where it was."""
        tick = float(self.instrument(self.symbol).tick)
        bid, ask = quote.bid / tick, quote.ask / tick
        bid_is_ours = self.is_ours("buy", bid, quote.bid_size)
        ask_is_ours = self.is_ours("sell", ask, quote.ask_size)
        if self.half is None or not (bid_is_ours or ask_is_ours):
            self.half = (ask - bid) / 2
            return (bid + ask) / 2
        if bid_is_ours and ask_is_ours:
            return self.mid
        return ask - self.half if bid_is_ours else bid + self.half

    def is_ours(self, side, ticks, size):
        """Nobody else stands at this price: our own quotes, also those on their way out, make up
        all of it."""
        facts = self.instrument(self.symbol)
        tick, lot = float(facts.tick), float(facts.lot)
        ours = sum(
            order.remaining
            for order in self.orders(self.symbol)
            if order.side == side and abs(order.price / tick - ticks) < 0.5
        )
        return size < ours + lot / 2

    def work(self, side, ticks, size, room):
        """Keep one quote of at most `size` near `ticks`, if what works there fits into `room`."""
        facts = self.instrument(self.symbol)
        tick, lot = float(facts.tick), float(facts.lot)
        working = [order for order in self.orders(self.symbol) if order.side == side]
        for order in working:
            moved = abs(round(order.price / tick) - ticks) > self.keep_within
            if moved or order.remaining > room + lot / 2:
                self.cancel(order)
        # Every order counts until the venue says that it is gone: one whose cancel is on its way
        # may still fill. So a quote moves in two steps, and the limit holds in any burst of fills.
        size = min(size, room - sum(order.remaining for order in working))
        if size >= lot * (1 - 1e-6) and all(o.state == "PENDING_CANCEL" for o in working):
            send = self.buy if side == "buy" else self.sell
            send(self.symbol, size, ticks * tick, post_only=True, tag="quote")

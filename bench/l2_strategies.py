"""Strategies that decide by the clock over recorded depth, for the figures beside a rival. Not a
figure itself. They run interpreted where a run asks for it."""

from __future__ import annotations

import math

from onetape import Strategy, compiled

SYMBOL = "binance:BTC/USDT:USDT"


@compiled
class Elapse(Strategy):
    """Lets 10 ms pass."""

    def on_start(self):
        self.steps = 0
        self.set_timer("step", every="10ms")

    def on_timer(self, name):
        self.steps += 1


@compiled
class CancelSubmit(Strategy):
    """Cancels the last order and submits another each 10 ms."""

    def on_start(self):
        self.live = self.book(SYMBOL)
        self.order = None
        self.sent = 0
        self.set_timer("step", every="10ms")

    def on_timer(self, name):
        if self.order is not None:
            self.cancel(self.order)
        if self.live.synced:
            self.sent += 1
            if self.sent % 2 == 0:
                self.order = self.buy(SYMBOL, 0.01, self.live.best_bid[0], post_only=True)
            else:
                self.order = self.sell(SYMBOL, 0.01, self.live.best_ask[0], post_only=True)


@compiled
class Grid(Strategy):
    """Wants 20 x 20 orders each 100 ms."""

    def on_start(self):
        self.live = self.book(SYMBOL)
        self.held = self.position(SYMBOL)
        self.set_timer("step", every="100ms")

    def on_timer(self, name):
        if not self.live.synced:
            return
        gap, half = 1.0, 2.0
        middle = (self.live.best_bid[0] + self.live.best_ask[0]) / 2
        bid = math.floor((middle - half) / gap) * gap
        ask = math.ceil((middle + half) / gap) * gap
        held = self.held.qty
        self.set_quotes(
            SYMBOL,
            [(bid - gap * i, 0.1) for i in range(20 if held < 5 else 0)],
            [(ask + gap * i, 0.1) for i in range(20 if held > -5 else 0)],
        )

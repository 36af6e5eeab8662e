"""A strategy that trades at random: at once, waiting, protected, changed and taken back."""

from __future__ import annotations

from typing import Any

from onetape import Strategy


class Trader(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    qty: float = 0.01
    tick: float = 0.1

    def on_start(self) -> None:
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="700ms")
        self.memory["starts"] = self.memory.get("starts", 0) + 1

    def on_timer(self, name: str) -> None:
        quote = self.quote(self.symbol)
        if quote is None:
            return
        working: list[Any] = self.orders(self.symbol)
        draw, held = self.random.random(), self.position(self.symbol).qty
        if draw < 0.2 and not any(order.price is None for order in working):
            act = self.sell if held > 0 else self.buy
            act(self.symbol, self.qty)
        elif draw < 0.3 and not held and not working:
            self.buy(self.symbol, self.qty, stop_loss=quote.bid * 0.99)
        elif draw < 0.6 and len(working) < 4:
            away = self.tick * self.random.randint(0, 40)
            if self.random.random() < 0.5:
                self.buy(self.symbol, self.qty, quote.bid - away)
            else:
                self.sell(self.symbol, self.qty, quote.ask + away)
        elif working and draw < 0.8:
            self.cancel(self.random.choice(working))
        elif resting := [order for order in working if order.price is not None]:
            order = self.random.choice(resting)
            self.amend(order, price=order.price + self.tick * self.random.randint(-5, 5))

    def on_fill(self, fill: Any) -> None:
        self.memory["fills"] = self.memory.get("fills", 0) + 1

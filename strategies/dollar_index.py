"""Holds the coin while the dollar is weak against its own mean, from an external index.

The index comes as events with a `value`: `onetape import events dxy.csv`, live a collector of kind `http`/`webhook`.
"""

from onetape import Strategy


class DollarIndex(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    topic: str = "dxy"
    size: float = 0.01
    mean: int = 20  # number of index values
    band: float = 0.001  # distance from the mean at which it counts as weak or strong

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_event(self, event):
        value = event["data"].get("value") if event.kind == "external" and event["topic"] == self.topic else None
        if not isinstance(value, int | float):
            return
        values = [*self.memory.get("values", []), value][-self.mean :]
        self.memory["values"] = values
        if len(values) < self.mean:
            return
        strength = value / (sum(values) / len(values)) - 1
        if strength < -self.band:
            self.set_target(self.symbol, self.size)
        elif strength > self.band:
            self.set_target(self.symbol, 0)

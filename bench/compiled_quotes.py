"""Quotes a second through a compiled strategy: empty, and two moving averages that cross."""

from __future__ import annotations

import json

from loop import best_of
from market_tapes import SYMBOL, walk_tape

from onetape import Strategy, compiled

COUNT, PASSES = 1_000_000, 5


@compiled
class Empty(Strategy):
    def on_start(self):
        self.subscribe(SYMBOL, quotes=True)

    def on_quote(self, quote):
        pass


@compiled
class Cross(Strategy):
    def on_start(self):
        self.subscribe(SYMBOL, quotes=True)
        self.fast = self.slow = 0.0
        self.is_long = False

    def on_quote(self, quote):
        middle = quote.mid
        if self.slow == 0.0:
            self.fast = self.slow = middle
        self.fast += 0.01 * (middle - self.fast)
        self.slow += 0.001 * (middle - self.slow)
        if (self.fast > self.slow) != self.is_long:
            self.is_long = self.fast > self.slow
            self.set_target(SYMBOL, 0.01 if self.is_long else 0)


def main() -> None:
    tape = walk_tape(COUNT)
    figures = []
    for name, strategy, reach in (("empty", Empty, 50e6), ("moving averages", Cross, 40e6)):
        timed = best_of(PASSES, strategy, tape)
        figures.append(
            {
                "name": f"backtest, compiled on_quote, {name}",
                "value": COUNT / timed.seconds,
                "unit": "quotes/s",
                "reach": reach,
                "headline": name == "empty",
            }
        )
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

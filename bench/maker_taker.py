"""An order each hundred quotes, eight that rest and then two that cross, the one before cancelled:
quotes a second with all that an order costs. Real quotes repeated in time where they are there."""

from __future__ import annotations

import json
import sys

from loop import best_of
from market_tapes import SYMBOL, real_tape, walk_tape

from onetape import Strategy

COUNT, PASSES = 1_000_000, 3


class MakerTaker(Strategy):
    def on_start(self):
        self.seen = 0
        self.sent = 0
        self.last = None
        self.fills = 0
        self.subscribe(SYMBOL, quotes=True)

    def on_fill(self, fill):
        self.fills += 1

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % 100:
            return
        if self.last is not None and not self.last.is_closed:
            self.cancel(self.last)
        number = self.sent
        self.sent += 1
        crossing = number % 10 >= 8
        if number % 2 == 0:
            self.last = self.buy(SYMBOL, 0.01, quote.ask if crossing else quote.bid)
        else:
            self.last = self.sell(SYMBOL, 0.01, quote.bid if crossing else quote.ask)


def main() -> None:
    tape = real_tape(COUNT)
    data = "real quotes" if tape else "a random walk"
    timed = best_of(PASSES, MakerTaker, tape or walk_tape(COUNT))
    counters = timed.counters
    print(
        f"{counters['orders']} orders, {counters['fills']} fills, {data}, actions {timed.action_hash[:16]}",
        file=sys.stderr,
    )
    print(
        json.dumps(
            {
                "name": f"backtest, maker and taker orders over {data}",
                "value": COUNT / timed.seconds,
                "unit": "quotes/s",
                "better": "more",
                "reach": 2e6,
                "headline": True,
                "peer": "nautilus maker",
            }
        )
    )


if __name__ == "__main__":
    main()

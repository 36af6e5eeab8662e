"""Quotes a second where the strategy hears bars alone: one-minute bars of the mid."""

from __future__ import annotations

import json

from loop import best_of
from market_tapes import SYMBOL, walk_tape

from onetape import Strategy

COUNT, PASSES = 2_000_000, 3


class BarsOnly(Strategy):
    def on_start(self):
        self.seen = 0
        self.subscribe(SYMBOL, bars="1m@mid")

    def on_bar(self, bar):
        self.seen += 1


def main() -> None:
    timed = best_of(PASSES, BarsOnly, walk_tape(COUNT))
    print(
        json.dumps(
            {
                "name": "backtest, only bars subscribed",
                "value": COUNT / timed.seconds,
                "unit": "quotes/s",
                "better": "more",
                "reach": 25e6,
            }
        )
    )


if __name__ == "__main__":
    main()

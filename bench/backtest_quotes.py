"""Quotes a second through a backtest into a Python callback: empty, reading two fields, reading
four and computing. Beside it the floor: the same callback called from a Python loop over a list."""

from __future__ import annotations

import json
import time

from loop import best_of
from market_tapes import SYMBOL, walk_tape

from onetape import Strategy

COUNT, PASSES = 1_000_000, 3


class Empty(Strategy):
    def on_start(self):
        self.subscribe(SYMBOL, quotes=True)

    def on_quote(self, quote):
        pass


class TwoFields(Empty):
    def on_quote(self, quote):
        quote.bid
        quote.ask


class Arithmetic(Empty):
    def on_quote(self, quote):
        bid_size = quote.bid_size
        ask_size = quote.ask_size
        self.fair = (quote.bid * ask_size + quote.ask * bid_size) / (bid_size + ask_size)


def python_calls() -> float:
    """Method calls a second of a bare loop in this interpreter."""

    class Bare:
        def on_quote(self, quote):
            pass

    call, items, best = Bare().on_quote, [None] * COUNT, 0.0
    for _ in range(PASSES):
        began = time.process_time()
        for item in items:
            call(item)
        best = max(best, COUNT / (time.process_time() - began))
    return best


def main() -> None:
    tape = walk_tape(COUNT)
    floor = {"name": "bare method calls of this interpreter", "value": python_calls()}
    figures = []
    for name, strategy, reach, more in (
        ("backtest, empty on_quote", Empty, 10e6,
         {"peer": "nautilus no-op", "headline": True}),
        ("backtest, on_quote reading bid and ask", TwoFields, 8e6, {"against": floor}),
        ("backtest, on_quote with four fields and arithmetic", Arithmetic, 5e6,
         {"against": floor}),
    ):  # fmt: skip
        timed = best_of(PASSES, strategy, tape)
        assert timed.counters["events"] == COUNT
        figures.append({"name": name, "value": COUNT / timed.seconds, "unit": "quotes/s",
                        "better": "more", "reach": reach, **more})  # fmt: skip
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

"""A recorded day of depth and trades through a strategy that decides by the clock, plain and
compiled, beside a compiled rival on the same file and the same tasks.

Rows are the rival's: one for each changed level and trade of the capture (491,973); our tape has
its 66,089 quotes as well. Wall clock of the loop, the best of several passes, as it is for the
rival.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

from loop import run_once

from onetape import Strategy, compiled
from onetape.data.importing import import_files
from onetape.engine.latency import Latency

HERE = Path(__file__).resolve().parent
CAPTURE = HERE.parent / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
PLACE = HERE.parent / "build" / "bench" / "btcusdt-l2"
SYMBOL = "binance:BTC/USDT:USDT"
ROWS = 491_973
PASSES = 5
MS = 10**6


class Elapse(Strategy):
    """Lets 10 ms pass."""

    def on_start(self):
        self.steps = 0
        self.set_timer("step", every="10ms")

    def on_timer(self, name):
        self.steps += 1


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


TASKS = [  # name, strategy, latency ms, wanted plain, rival
    ("10 ms steps", Elapse, 1, 12.5e6, "hftbacktest l2 steps"),
    ("cancel and submit", CancelSubmit, 1, 4e6, "hftbacktest l2 cancel and submit"),
    ("20 x 20 grid", Grid, 10, 5e6, "hftbacktest l2 grid"),
]
WANTED_COMPILED = (12.5e6, 8.2e6, 8.7e6)


def main() -> None:
    if not PLACE.is_dir():
        import_files("binance-raw", [CAPTURE], symbol=SYMBOL, out=PLACE)
    figures = []
    for (name, strategy, latency_ms, wanted, rival), wanted_compiled in zip(
        TASKS, WANTED_COMPILED, strict=True
    ):
        options = {
            "latency": Latency(latency_ms * MS, latency_ms * MS),
            "fee": (Decimal("-0.00005"), Decimal("0.0007")),
            "queue": "power:2",
            "leverage": 10,
        }
        marked = compiled(type(strategy.__name__, (strategy,), {"__module__": __name__}))
        hashes = set()
        for word, cls, reach in (
            ("plain", strategy, wanted),
            ("compiled", marked, wanted_compiled),
        ):
            best = min(
                (run_once(cls, PLACE, clock="wall", **options) for _ in range(PASSES)),
                key=lambda timed: timed.seconds,
            )
            hashes.add(best.action_hash)
            figures.append(
                {"name": f"recorded depth, {name}, {word}", "value": ROWS / best.seconds,
                 "unit": "rows/s", "reach": reach, "peer": rival,
                 "headline": word == "plain"}
            )  # fmt: skip
        if len(hashes) != 1:
            raise SystemExit(f"{name}: compiled and plain order differently")
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

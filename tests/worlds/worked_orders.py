"""Parent orders worked over generated markets, and how well: schedule, participation, price."""

from __future__ import annotations

import random
from pathlib import Path

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, SECOND, START, Market, play

MINUTES = 20
CLIPS = 20
QTY = 2.0
RATE = 0.1
VOLUMES = (3, 2, 1, 1, 1, 1, 1, 1, 2, 3)  # busy at both ends of the time
STEP_S = 5


class Works(Strategy):
    """Sets one target at the first quote; keeps its fills and what it has seen trade."""

    algo: str = "twap"
    options: dict = {}  # noqa: RUF012 - set by `worked`

    def on_start(self) -> None:
        self.subscribe(BTC, quotes=True, trades=True)
        self.filled: list[tuple[float, float, float]] = []  # seconds, quantity, price
        self.traded: list[tuple[float, float, float]] = []
        self.begun = 0.0

    def on_quote(self, quote) -> None:
        if not self.begun:
            self.begun, self.arrival = self.elapsed, (quote.bid + quote.ask) / 2
            if self.algo == "market":
                self.buy(BTC, QTY)
            else:
                self.set_target(BTC, QTY, self.algo, **self.options)

    def on_trade(self, trade) -> None:
        if self.begun:
            self.traded.append((self.elapsed, trade.size, trade.price))

    def on_fill(self, fill) -> None:
        self.filled.append((self.elapsed, fill.qty, fill.price))

    @property
    def elapsed(self) -> float:
        return (self.now - START) / SECOND


def write_market(path: Path, seed: int) -> Path:
    """A random walk with ten levels of depth on each side, and prints whose volume follows VOLUMES."""
    draw, made, mid = random.Random(seed), Market(path), 1000.0
    steps = (MINUTES + 1) * 60 // STEP_S
    for step in range(steps):
        time = 1 + step * STEP_S
        mid = round(mid + draw.choice((-0.1, 0.0, 0.1)), 1)
        bid, ask = round(mid - 0.1, 1), round(mid + 0.1, 1)
        sides = [
            [(round(best + sign * level / 10, 1), 0.3) for level in range(10)] for best, sign in ((bid, -1), (ask, 1))
        ]
        made.book(time, *sides)
        made.quote(time, bid, ask, 0.3, 0.3)
        busy = VOLUMES[min(step * STEP_S * len(VOLUMES) // (MINUTES * 60), len(VOLUMES) - 1)]
        size = round(busy * draw.uniform(0.02, 0.1), 3)
        made.trade(time + 2, mid, size, draw.choice(("buy", "sell")))
    return made.done()


def worked(tape: Path, algo: str, seed: int) -> Works:
    """Returns the robot after the whole tape."""
    options = {
        "twap": {"minutes": MINUTES, "clip": QTY / CLIPS},
        "vwap": {"minutes": MINUTES, "profile": VOLUMES},
        "pov": {"participation": RATE, "clip": 0.02},
        "market": {},
    }[algo]
    return play(type("Works", (Works,), {"algo": algo, "options": options}), tape, seed=seed).robot


def schedule_error(robot: Works) -> float:
    """Clips by which the quantity filled was ever off what an even schedule had made due."""
    worst = done = 0.0
    for time, qty, _ in robot.filled:
        even = min((time - robot.begun) / (MINUTES * 60), 1.0) * CLIPS
        worst = max(worst, abs(done - even), abs(done + qty / QTY * CLIPS - even))
        done += qty / QTY * CLIPS
    return max(worst, CLIPS - done)


def participation(robot: Works) -> float:
    """Share of what had traded when the order filled last."""
    last = robot.filled[-1][0]
    return sum(qty for _, qty, _ in robot.filled) / sum(size for time, size, _ in robot.traded if time <= last)


def slippage_bps(robot: Works) -> float:
    """Of the average price against the volume-weighted one of the market, over the time that was given."""
    market = [(size, price) for time, size, price in robot.traded if time <= robot.begun + MINUTES * 60]
    vwap = sum(size * price for size, price in market) / sum(size for size, _ in market)
    paid = sum(qty * price for _, qty, price in robot.filled) / sum(qty for _, qty, _ in robot.filled)
    return (paid / vwap - 1) * 1e4

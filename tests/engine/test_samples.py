"""Equity samples of a robot that trades for months."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onetape import Strategy
from worlds.tapes import BTC, Market, play

KEPT = 1 << 16
STEP_NS = 10**6
SECONDS = 200


class Idle(Strategy):
    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)


def test_so_many_are_kept_at_equal_distances_and_the_last(tmp_path: Path) -> None:
    market = Market(tmp_path / "t")
    for second in (0, SECONDS):
        market.quote(second, 99.9, 100)
    times, equity, balance, prices, positions, moved = play(Idle, market.done(), sample_every=STEP_NS).loop.samples()
    assert KEPT / 2 < len(times) <= KEPT + 1
    assert len(times) == len(equity) == len(balance) == len(prices) == len(positions) == len(moved)
    steps = np.diff(times)
    assert set(steps[:-1].tolist()) == {4 * STEP_NS}
    assert 0 <= steps[-1] <= 4 * STEP_NS
    assert times[-1] - times[0] >= SECONDS * 10**9 - STEP_NS
    assert set(prices[1:].tolist()) == {99.95}

"""An instrument that a tape names only after the run has begun is in its report from there on."""

from __future__ import annotations

import numpy as np

import onetape
from onetape import Strategy
from worlds.tapes import BTC, Market

LATE = "binance:ETH/USDT:USDT"


class Buys(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        if self.position(BTC).qty == 0:
            self.buy(BTC, 1)


def test_samples_from_before_it_have_no_price_of_it(tmp_path):
    market = Market(tmp_path / "late.tape")
    for second in range(0, 7200, 20):
        market.quote(second, 100, 101)
        if second == 3600:
            market.add(LATE)
        if second >= 3600:
            market.quote(second, 10, 11, symbol=LATE)
    run = onetape.backtest(Buys, market.done(), home=tmp_path)
    assert run.report().exists()
    assert len(run.equity) > 60
    assert np.isfinite(run.equity["equity"].to_numpy()).all()

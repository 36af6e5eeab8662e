"""What a position is worth when one side of its market is gone."""

from __future__ import annotations

import pytest

from onetape import Strategy
from worlds.tapes import BTC, Market, play


class Holds(Strategy):
    """Buys one at the second quote, and notes what the account is worth."""

    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.worth = []

    def on_quote(self, q):
        if len(self.worth) == 1:
            self.buy(self.symbol, 1.0)
        self.worth.append(self.equity)


def test_equity_goes_by_the_last_mid_when_a_side_is_gone(tmp_path) -> None:
    """1 BTC at 110, worth the exact mid, 109.95; and it stays so while nobody bids."""
    market = Market(tmp_path / "t")
    for at, bid, ask in ((0, 99.9, 100), (1, 109.9, 110), (2, 0, 120), (3, 0, 130)):
        market.quote(at, bid, ask, 1000 if bid else 0)
    played = play(Holds, market.done(), params={"symbol": BTC})
    assert played.robot.worth == pytest.approx([100_000, 100_000, 99_999.95, 99_999.95], abs=1e-6)

"""What is held is valued at the exact mid, be it between two units of the price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape import Strategy
from worlds.tapes import BTC, Market, play

INVERSE = "binance:BTC/USD:BTC"
SPOT = "kraken:BTC/USD"


class Holds(Strategy):
    symbol: str = BTC
    side: str = "buy"
    qty: float = 1.0

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True, trades=True)

    def on_trade(self, trade):
        pass

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 2:
            (self.buy if self.side == "buy" else self.sell)(self.symbol, self.qty)


def quoted(path, symbol):
    market = Market(path, symbol)
    for second in range(5):
        market.quote(second, 100, 100.1, 10**6, 10**6)
    return market.trade(5, 100.0, 1, "sell").done()


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_long_and_a_short_lose_the_same_half_of_the_spread(tmp_path, side):
    made = type("H", (Holds,), {"side": side})
    played = play(made, quoted(tmp_path / "t", BTC), cash={"USDT": Decimal(1000)})
    assert played.equity == Decimal("999.95")
    assert played.robot.position(BTC).unrealized == pytest.approx(-0.05, abs=1e-15)


def test_coins_are_worth_the_mid(tmp_path):
    made = type("H", (Holds,), {"symbol": SPOT})
    played = play(made, quoted(tmp_path / "t", SPOT), cash={"USD": Decimal(1000)})
    assert played.equity == Decimal("999.95")


def test_an_inverse_contract_is_worth_the_mid(tmp_path):
    made = type("H", (Holds,), {"symbol": INVERSE, "side": "sell", "qty": 1000.0})
    played = play(made, quoted(tmp_path / "t", INVERSE), cash={"BTC": Decimal(100)})
    gain = Decimal(1000) / Decimal("100.05") - Decimal(1000) / Decimal(100)
    assert played.equity == pytest.approx(Decimal(100) + gain, abs=Decimal("1e-17"))

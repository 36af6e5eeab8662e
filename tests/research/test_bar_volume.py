"""What part of a bar's volume own orders may take: the option, and three shares side by side."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from test_money_runs import backtest

from onetape.engine.plan import parse_bar_volume
from onetape.model.errors import BadConfig
from worlds.tapes import Market

BUY_SIXTY = """
from onetape import Strategy


class BuySixty(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, bars="1m")
        self.n = 0

    def on_bar(self, bar):
        self.n += 1
        if self.n == 1:
            self.buy(self.symbol, 60)
"""
OPENS = [100 + number for number in range(21)]


@pytest.fixture
def tape(tmp_path):
    """Bars that open one higher each, close at their open, and hold 100 each."""
    market = Market(tmp_path / "bars.tape")
    for number, price in enumerate(OPENS):
        market.bar((number + 1) * 60, "1m", (price, price + 0.5, price - 0.5, price), 100)
    return market.done()


def expected(share: Decimal) -> Decimal:
    """Bought at each next open as far as the share goes; valued at the last close; no fees."""
    left, gain = Decimal(60), Decimal(0)
    for price in OPENS[1:]:
        size = min(left, 100 * share)
        left -= size
        gain += size * (OPENS[-1] - price)
    return gain


def run(tmp_path, tape, name, **options):
    options = {"cash": "100000 USDT", "fee": "0", "latency": "1ms"} | options
    return backtest(tmp_path, tape, name, BUY_SIXTY, **options)


def test_stress_shows_three_shares_of_the_volume(tmp_path, tape) -> None:
    done = run(tmp_path, tape, "run", stress=True)
    lines = {each["name"]: each for each in done.as_json()["stress"]}
    for text, share, how in (
        ("1 % of bar volume", "0.01", "re-run"),
        ("5 % of bar volume", "0.05", "re-run"),
        ("50 % of bar volume", "0.5", "not run"),  # that is the run itself
    ):
        assert lines[text]["how"] == how
        assert Decimal(str(lines[text]["pnl"])) == expected(Decimal(share))
    assert len({expected(Decimal(share)) for share in ("0.01", "0.05", "0.5")}) == 3
    assert done.report is not None
    assert "5 % of bar volume" in done.report.read_text()


def test_the_option_is_the_share_that_stress_tried(tmp_path, tape) -> None:
    done = run(tmp_path, tape, "run", bar_volume="5%", stress=True)
    assert done.pnl == expected(Decimal("0.05"))
    lines = {each["name"]: each for each in done.as_json()["stress"]}
    assert lines["5 % of bar volume"]["how"] == "not run"
    assert Decimal(str(lines["50 % of bar volume"]["pnl"])) == expected(Decimal("0.5"))
    assert "at most 5 % of a bar's volume" in json.dumps([each.text for each in done.assumptions])


def test_trades_have_no_such_lines(tmp_path) -> None:
    market = Market(tmp_path / "trades.tape")
    for number in range(300):
        market.trade(number, 100, 5)
    done = run(tmp_path, market.done(), "run", stress=True)
    assert done.fills
    assert not [each for each in done.as_json()["stress"] if "bar volume" in each["name"]]


@pytest.mark.parametrize(
    ("text", "millionths"), [("5%", 50_000), ("0.05", 50_000), ("100%", 1_000_000), ("0.0001%", 1), (" 50 % ", 500_000)]
)
def test_shares_are_read(text, millionths) -> None:
    assert parse_bar_volume(text) == millionths


@pytest.mark.parametrize("text", ["", "0", "0%", "-1%", "101%", "5", "nan", "inf%", "x", "0.00001%"])
def test_other_shares_are_refused(text) -> None:
    with pytest.raises(BadConfig, match="--bar-volume"):
        parse_bar_volume(text)

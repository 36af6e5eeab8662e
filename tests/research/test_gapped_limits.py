"""Limits that a bar opens beyond: where they fill, and what the report says of it."""

from __future__ import annotations

import pytest

from onetape.engine.plan import AT_LIMIT, AT_OPEN, parse_limit_fills, read_plan
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig
from onetape.replay.replay import replay_run
from onetape.research.backtest import backtest
from onetape.runs.assumptions import assumptions_of
from worlds.tapes import BTC, Market, play

BARS = [(100, 100, 100, 100), (94, 96, 93, 95), (110, 110, 110, 110), (110, 110, 110, 110)]


class Rests(Strategy):
    """A buy at 98 that the second bar opens 4 below, and a sale at 105 that the third opens 5 above."""

    def on_start(self):
        self.subscribe(BTC, bars="1m")
        self.filled, self.sent = [], False

    def on_bar(self, bar):
        if not self.sent:
            self.sent = True
            self.buy(BTC, 2, 98)
        elif self.position(BTC).qty and not self.orders(BTC):
            self.sell(BTC, 2, 105, reduce_only=True)

    def on_fill(self, fill):
        self.filled.append((fill.side, fill.price, fill.liquidity))


def tape(path, symbol: str = BTC):
    market = Market(path, symbol)
    for minute, prices in enumerate(BARS, 1):
        market.bar(60 * minute, "1m", prices)
    return market.done()


@pytest.mark.parametrize(
    ("limit_fills", "prices", "profit", "gain"), [(AT_OPEN, (94, 110), 32, 18), (AT_LIMIT, (98, 105), 14, None)]
)
def test_it_fills_at_the_open_or_at_its_price_and_the_report_says_by_how_much(
    tmp_path, limit_fills, prices, profit, gain
):
    played = play(Rests, tape(tmp_path / "t"), limit_fills=limit_fills)
    assert played.robot.filled == [("buy", prices[0], "maker"), ("sell", prices[1], "maker")]
    assert played.robot.profit(BTC) == profit
    lines = {each.key: each for each in assumptions_of(played.session)}
    line = lines.get("gapped limits")
    if gain is None:
        assert line is None and "at their own price" in lines["bars"].text
        return
    assert line is not None
    assert (line.bias, line.amount, line.size) == (1, gain, f"gain {gain} USDT")
    assert line.text.startswith("2 resting limit orders filled at the open")


def test_no_gap_is_no_line(tmp_path):
    market = Market(tmp_path / "t")
    for minute, prices in enumerate([(100,) * 4, (99, 99, 95, 96), (96, 106, 96, 106), (106,) * 4], 1):
        market.bar(60 * minute, "1m", prices)
    played = play(Rests, market.done())
    assert played.robot.profit(BTC) == 14
    assert "gapped limits" not in {each.key for each in assumptions_of(played.session)}


def test_a_limit_that_was_beyond_the_market_when_it_came_is_a_taker_of_the_open_either_way(tmp_path):
    class Crosses(Rests):
        def on_bar(self, bar):
            if not self.sent:
                self.sent = True
                self.buy(BTC, 2, 103)

    for limit_fills in (AT_OPEN, AT_LIMIT):
        played = play(Crosses, tape(tmp_path / f"{limit_fills}.t"), limit_fills=limit_fills)
        assert played.robot.filled == [("buy", 94, "taker")]
        assert played.loop.counters()["gapped_limits"] == 0


def test_a_run_keeps_it_and_is_replayed_with_it(tmp_path):
    run = backtest(
        Rests, tape(tmp_path / "t"), home=tmp_path, limit_fills="at-limit", out=tmp_path / "run", report=False
    )
    assert [float(price) for price in run.fills["price"]] == [98.0, 105.0]
    plan, _ = read_plan(tmp_path / "run")
    assert plan.limit_fills == AT_LIMIT
    assert replay_run(tmp_path / "run", verify=True)["divergences"] == 0


def test_another_word_is_refused():
    assert parse_limit_fills("at-limit") == AT_LIMIT
    with pytest.raises(BadConfig, match="--limit-fills"):
        parse_limit_fills("best")

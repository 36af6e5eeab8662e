"""A compiled strategy trades live and on paper, and what it does is what the same code does as Python."""

from __future__ import annotations

import pytest

from long_form import long_form
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.robot.paper import PaperOptions, run_paper
from worlds.command_lines import answered
from worlds.tapes import BTC, Market

SECONDS = (4, 10, 30)  # the next where a machine is too busy for one
PLAIN = """
from onetape import Strategy


class Cross(Strategy):
    symbol: str = "kraken:BTC/USD"
    every: int = 3
    seen: int = 0
    bought: float = 0.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % self.every == 1:
            if self.bought < 0.005:
                self.buy(self.symbol, 0.001, quote.ask * 1.001, tif="IOC")
            else:
                self.sell(self.symbol, self.bought, quote.bid * 0.999, tif="IOC")

    def on_fill(self, fill):
        self.bought += fill.qty if fill.side == "buy" else -fill.qty
"""
COMPILED = PLAIN.replace("Strategy\n\n\n", "Strategy, compiled\n\n\n@compiled\n")


@pytest.mark.parametrize("how", ["--single", *long_form("")])
def test_it_trades_live_and_its_run_is_repeated_by_the_same_code_as_python(tmp_path, how):
    answered(tmp_path, "init", "my")
    folder = tmp_path / "my"
    (folder / "compiled.py").write_text(COMPILED)
    (folder / "plain.py").write_text(PLAIN)
    for seconds in SECONDS:
        live = answered(folder, "run", "compiled.py", "--live", *how.split(), "--account", "main", "--seconds", seconds)
        if live["fills"]:
            break
    assert live["fills"] and live["orders"]
    assert answered(folder, "replay", live["run"], "--verify")["verified"]
    found = answered(folder, "replay", live["run"], "--source", "plain.py")
    assert found["divergences"] == 0 and found["actions"] == live["actions"]


def test_its_paper_is_the_backtest_of_its_tape_as_python(tmp_path):
    market = Market(tmp_path / "tape")
    for i in range(600):
        market.quote(i * 0.1, 100 + i % 7, 101 + i % 7)
    tape = market.done()
    (tmp_path / "compiled.py").write_text(COMPILED.replace("kraken:BTC/USD", BTC))
    (tmp_path / "plain.py").write_text(PLAIN.replace("kraken:BTC/USD", BTC))
    paper = run_paper(PaperOptions(str(tmp_path / "compiled.py"), [tape], tmp_path, speed=100.0, out="paper"))
    plain = BacktestOptions(str(tmp_path / "plain.py"), [tape], home=tmp_path, out="plain", write_report=False)
    assert paper.orders > 50 and paper.action_hash == run_backtest(plain).action_hash
    assert replay_run(paper.run, verify=True)["divergences"] == 0

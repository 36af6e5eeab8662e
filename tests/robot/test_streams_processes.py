"""One strategy, one tape: in one process, or with the market published over ZeroMQ, collected by a
second process and traded by a third. The actions are the same, to the bit."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from copied_process import ONETAPE, Copied
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.stream_feeds import ZeroMqFeed, collector, frames, options_for
from worlds.tapes import BTC, SECOND, START

FACTS = f"""
[[instrument]]
symbol = "{BTC}"
tick = "0.1"
lot = "0.001"
maker_fee = "0.0002"
taker_fee = "0.0005"
"""
TRADER = f"""
from onetape import Strategy


class Trader(Strategy):
    symbol: str = "{BTC}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="1s@mid", history=3)
        self.set_timer("beat", every="1s")
        self.n = 0

    def on_quote(self, quote):
        self.n += 1
        if self.n % 5 == 0:
            side = self.buy if self.random.random() < 0.5 else self.sell
            side(self.symbol, 0.01)
        elif self.n % 7 == 0:
            self.buy(self.symbol, 0.02, quote.bid)

    def on_bar(self, bar):
        if self.position(self.symbol).qty > 0.03:
            self.close(self.symbol)

    def on_timer(self, name):
        self.cancel_all()
"""


def quotes(count: int) -> list[dict]:
    """A market of prices that go up and down, ten a second."""
    found = []
    for number in range(count):
        bid = 60_000 + (number * 37 % 101) / 10
        found.append(
            {
                "symbol": "BTCUSDT",
                "bid": round(bid, 1),
                "ask": round(bid + 0.1, 1),
                "bid_size": 2.5,
                "ask_size": 1.5,
                "seq": number + 1,
                "ts": START + number * SECOND // 10,
            }
        )
    return found


def test_in_one_process_or_in_three_a_strategy_does_the_same(tmp_path: Path):
    (tmp_path / "trader.py").write_text(TRADER)
    (tmp_path / "facts.toml").write_text(FACTS)
    (tmp_path / "quotes.csv").write_text(
        "ts,bid,ask,bid_size,ask_size\n"
        + "".join(f"{q['ts']},{q['bid']},{q['ask']},{q['bid_size']},{q['ask_size']}\n" for q in quotes(600))
    )
    home, facts = tmp_path / "home", str(tmp_path / "facts.toml")

    def backtest(data: Path, **more: object):
        return run_backtest(
            BacktestOptions(
                strategy=f"{tmp_path}/trader.py:Trader",
                data=[data],
                home=home,
                report=None,
                instruments=Path(facts),
                **more,
            )
        )

    alone = backtest(tmp_path / "quotes.csv", symbol=BTC)
    feed = ZeroMqFeed(tmp_path)
    options = options_for(feed, home, topics=["BTC"], names={"BTCUSDT": BTC}, published=True, instruments=facts)
    journal = home / "journal" / "collector:feed"  # as its process is called
    try:
        with collector(options) as process:
            wait_for(lambda: feed.followed("BTC"))
            market = quotes(600)
            for quote in market[:100]:
                feed.publish("BTC", quote)
            wait_for(lambda: len(frames(home, "quote")) == 100)
            robot = Copied(
                ONETAPE,
                "run",
                f"{tmp_path}/trader.py",
                "--paper",
                "--data",
                journal,
                "--instruments",
                facts,
                "--out",
                "paper",
                "--home",
                home,
                "--json",
                stdout=subprocess.PIPE,
                text=True,
            )
            wait_for(lambda: (home / "runs" / "paper" / "journal").is_dir())
            for quote in market[100:]:
                feed.publish("BTC", quote)
            wait_for(lambda: len(frames(home, "quote")) == 600)
            process.send_signal(signal.SIGTERM)
            process.wait()
            said, _ = robot.communicate(timeout=PATIENCE_S)
    finally:
        feed.end()
    apart = json.loads(said)
    assert alone.orders > 100 and alone.fills > 100
    assert apart["action_hash"] == alone.action_hash
    assert (apart["orders"], apart["fills"]) == (alone.orders, alone.fills)
    assert backtest(journal).action_hash == alone.action_hash
    with JournalReader(home / "journal" / "collector-feed") as reader:
        assert [each for each in reader if each.type == "health"][-1].data["state"] == "connected"

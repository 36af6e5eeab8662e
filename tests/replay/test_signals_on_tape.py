"""Market -> Signal -> Target -> Order -> Fill on a run's tape, joined in SQL and repeated."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from onetape.data.sample import write_sample
from worlds.command_lines import answered

STRATEGY = """
from onetape import Strategy


class Seer(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    every: int = 50
    by_hand: bool = False

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)
        self.on("quote", self.look)
        self.on("signal", self.decide)

    def look(self, quote):
        self.seen += 1
        if self.seen % self.every == 0:
            direction = "buy" if self.seen % (2 * self.every) else "flat"
            self.signal(self.symbol, direction, seen=self.seen, mid=quote.mid)

    def decide(self, signal):
        if self.by_hand and signal.direction == "buy":
            self.buy(self.symbol, 0.02, signal=signal, once=f"signal {signal.id}", tag="hand")
        else:
            self.set_target(self.symbol, 0.01 * (signal.direction == "buy"), signal=signal)
"""
CHAIN = """
SELECT market.type, market.ts, s.ts, s.direction, s.facts, t.ts, t.qty, o.ts_created, f.ts, f.qty
FROM fills f
JOIN orders o ON o.run = f.run AND o.order_id = f.order_id
JOIN links l ON l.run = f.run AND l.order_id = f.order_id
JOIN targets t ON t.run = f.run AND t.target = l.target
JOIN signals s ON s.run = f.run AND s.signal = t.signal AND s.signal = l.signal
JOIN events market ON market.run = f.run AND market.tape = 'input0' AND market.seq = s.cause
ORDER BY f.seq
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    (folder / "seer.py").write_text(STRATEGY)
    write_sample(folder / "m.tape", events=4000, seed=3)
    return folder


def test_each_fill_is_joined_to_the_market_event_that_caused_it(folder: Path):
    made = answered(
        folder, "backtest", "seer.py", "--data", "m.tape", "--out", "run", "--latency", "10ms", "--cash", "100000 USDT"
    )
    reported = answered(folder, "analyze", made["run"], "--db", "sqlite:///x.db")
    with sqlite3.connect(folder / "x.db") as database:
        rows = database.execute(CHAIN).fetchall()
    assert len(rows) == made["fills"] > 10
    assert reported["signals"] == reported["targets"] >= made["orders"]
    for kind, at, said, direction, facts, wanted, qty, request, filled, _ in rows:
        assert kind == "quote"
        assert at == said == wanted == request < filled
        assert json.loads(facts)["seen"] % 50 == 0
        assert qty == 0.01 * (direction == "buy")
    assert {row[3] for row in rows} == {"buy", "flat"}


def test_it_is_repeated_and_a_change_of_what_is_said_is_a_divergence(folder: Path):
    made = answered(
        folder,
        "backtest",
        "seer.py",
        "--data",
        "m.tape",
        "--out",
        "again",
        "--param",
        "by_hand=true",
        "--cash",
        "100000 USDT",
    )
    assert answered(folder, "replay", made["run"], "--verify")["divergences"] == 0
    kept = Path(made["run"]) / "source" / "seer.py"
    kept.write_text(STRATEGY.replace("seen=self.seen, ", "seen=self.seen + 1, "))
    reported = answered(folder, "replay", made["run"], "--verify", code=4)
    assert reported["divergences"] > 0


def test_an_order_by_hand_has_its_signal_and_its_key(folder: Path):
    made = answered(
        folder,
        "backtest",
        "seer.py",
        "--data",
        "m.tape",
        "--out",
        "hand",
        "--param",
        "by_hand=true",
        "--cash",
        "100000 USDT",
    )
    answered(folder, "analyze", made["run"], "--db", "sqlite:///y.db")
    with sqlite3.connect(folder / "y.db") as database:
        rows = database.execute(
            "SELECT o.tag, l.signal, l.target, l.once FROM links l JOIN orders o "
            "ON o.run = l.run AND o.order_id = l.order_id ORDER BY l.order_id"
        ).fetchall()
    assert rows[0] == ("hand", 1, None, "signal 1")
    assert rows[1][:2] == ("target", 2)
    assert rows[1][2:] == (1, None)

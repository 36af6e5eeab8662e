"""--check-lookahead: an honest strategy passes, one that knows the future is named."""

from __future__ import annotations

import pytest

from onetape.model.errors import Divergence
from onetape.research.backtest import BacktestOptions, run_backtest
from worlds.strategy_files import CHEAT, TAKER, write
from worlds.tapes import Market

TIMER = """
from onetape import Strategy


class Timer(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="1m@mid")
        self.set_timer("tick", every="7s")

    def on_timer(self, name):
        if self.quote(self.symbol):
            self.buy(self.symbol, 0.1)

    def on_fill(self, fill):
        self.sell(self.symbol, 0.1, 200)

    def on_bar(self, bar):
        self.cancel_all()

    def on_stop(self):
        self.cancel_all()
"""

LATE = (
    CHEAT.replace("TAPE = os", "TAPE = None  # os")
    .replace(
        "with JournalReader(TAPE) as reader:\n    rows",
        "def look():\n    reader = JournalReader(os.environ['CHEAT_TAPE'])\n    rows",
    )
    .replace("    FUTURE = dict(", "    FUTURE.update(")
    .replace("    def on_quote(self, q):", "        look()\n\n    def on_quote(self, q):")
)


def check(tmp_path, tape, text, *, name):
    path = write(tmp_path / "code", name, text)
    return run_backtest(
        BacktestOptions(
            strategy=str(path), data=[tape], home=tmp_path / "home", check_lookahead=True, write_report=False
        )
    )


def test_an_honest_strategy_passes(tmp_path, sample):
    result = check(tmp_path, sample, TAKER, name="honest")
    assert result.orders > 20
    assert result.lookahead["cuts"] == 8 and result.lookahead["differing"] == 0


def test_decisions_between_two_frames_and_in_on_stop_are_no_knowledge_of_the_future(tmp_path):
    """Timers, closing bars and fills act at moments that have no frame of their own."""
    market = Market(tmp_path / "t")
    for step in range(60):
        market.quote(step * 3.3, 99.9, 100.1)
    result = check(tmp_path, market.done(), TIMER, name="timer")
    assert result.orders > 20 and result.lookahead["differing"] == 0


@pytest.mark.parametrize(("text", "name"), [(CHEAT, "cheat_at_import"), (LATE, "cheat_at_start")])
def test_a_strategy_that_reads_the_tape_itself_is_named(tmp_path, sample, monkeypatch, text, name):
    monkeypatch.setenv("CHEAT_TAPE", str(sample))
    with pytest.raises(Divergence, match="reads the tested data"):
        check(tmp_path, sample, text, name=name)


def test_a_strategy_that_reads_the_file_the_tape_came_from_is_named(tmp_path, monkeypatch):
    rows = ["timestamp,bid,ask,bid_size,ask_size"]
    rows += [f"{1_767_225_600 + i},{100 + i % 5},{101 + i % 5},9,9" for i in range(100)]
    source = tmp_path / "quotes.csv"
    source.write_text("\n".join(rows) + "\n")
    monkeypatch.setenv("CHEAT_FILE", str(source))
    text = (
        "import os\nfrom onetape import Strategy\n\n"
        "class Reads(Strategy):\n"
        "    symbol: str = 'binance:BTC/USDT:USDT'\n"
        "    def on_start(self):\n"
        "        self.subscribe(self.symbol, quotes=True)\n"
        "        self.rows = open(os.environ['CHEAT_FILE']).read().split()\n"
        "    def on_quote(self, q):\n"
        "        self.set_target(self.symbol, 0.1 * (int(q.bid) % 2))\n"
    )
    with pytest.raises(Divergence, match=r"quotes\.csv"):
        check(tmp_path, source, text, name="reads")


def test_a_decision_that_depends_on_how_long_the_tape_is_is_named(tmp_path, sample):
    """No file is opened: the class finds the length through the engine's own objects."""
    text = (
        "from onetape import Strategy\n\n"
        "class Knows(Strategy):\n"
        "    symbol: str = 'binance:BTC/USDT:USDT'\n"
        "    def on_start(self):\n"
        "        self.subscribe(self.symbol, quotes=True)\n"
        "        counts = self._host.bars._inventory()[self.symbol][0]\n"
        "        self.left = counts[2]\n"
        "    def on_quote(self, q):\n"
        "        self.left -= 1\n"
        "        if self.left == 3:\n"
        "            self.sell(self.symbol, 0.1)\n"
        "        elif self.left % 500 == 0:\n"
        "            self.buy(self.symbol, 0.01)\n"
    )
    with pytest.raises(Divergence, match="changes when the tape ends"):
        check(tmp_path, sample, text, name="knows")


def test_a_strategy_without_orders_has_nothing_to_check(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    text = "from onetape import Strategy\n\nclass Quiet(Strategy):\n    pass\n"
    result = check(tmp_path, market.done(), text, name="quiet_one")
    assert result.lookahead == {"cuts": 0, "decisions": 0, "differing": 0}


READS = {
    "copy": ("self.rows = open(OTHER).read()", "copy.csv"),
    "numpy": ("import numpy as np; self.rows = np.fromfile(OTHER, dtype=np.uint8)", "copy.csv"),
    "tape": ("from onetape.tape.journal import JournalReader; JournalReader(OTHER_TAPE).close()", "copy.tape"),
    "folder": ("import os; self.rows = os.listdir(os.path.dirname(OTHER))", "reads.py:"),
    "socket": ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "socket."),
    "database": ("import sqlite3; sqlite3.connect(OTHER + '.db').close()", "copy.csv.db"),
    "clock": ("import time; self.rows = time.time()", "a clock, time"),
    "calendar": ("import datetime; self.rows = datetime.datetime.now()", "a clock, now"),
}
READER = """
from onetape import Strategy

OTHER, OTHER_TAPE = {other!r}, {tape!r}


class Reads(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.count = 0
        {start}

    def on_quote(self, q):
        self.count += 1
        if self.count == 5:
            {quote}
            self.buy(self.symbol, 0.1)
"""


@pytest.mark.parametrize("callback", ["start", "quote"])
@pytest.mark.parametrize("read", READS)
def test_what_a_strategy_reads_beside_the_tape_is_named(tmp_path, read, callback):
    """A copy of the data knows the future as well as the data does."""
    line, named = READS[read]
    market = Market(tmp_path / "t")
    for step in range(20):
        market.quote(step, 99.9, 100.1)
    tape = market.done()
    (tmp_path / "copy.csv").write_text("the future")
    Market(tmp_path / "copy.tape").quote(0, 1, 2).done()
    lines = {"start": "pass", "quote": "pass", callback: line}
    text = READER.format(other=str(tmp_path / "copy.csv"), tape=str(tmp_path / "copy.tape"), **lines)
    with pytest.raises(Divergence, match="not on the tape") as caught:
        check(tmp_path, tape, text, name="reads")
    assert named in str(caught.value) and "reads.py:" in str(caught.value)


def test_imports_zones_and_writing_are_no_reads_and_the_result_says_what_it_proves(tmp_path):
    market = Market(tmp_path / "t")
    for step in range(20):
        market.quote(step, 99.9, 100.1)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "module_of_lookahead.py").write_text("SIZE = 0.1\n")
    line = (
        "import csv, json, module_of_lookahead, zoneinfo; zoneinfo.ZoneInfo.no_cache('Europe/Berlin'); "
        "open(OTHER + '.log', 'w').write('x')"
    )
    text = READER.format(other=str(tmp_path / "x"), tape="", start="pass", quote=line)
    found = check(tmp_path, market.done(), text, name="honest_reads").lookahead
    assert found["differing"] == 0 and found["cuts"] == 1
    assert "no file" in found["proven"] and "source" in found["not_proven"]

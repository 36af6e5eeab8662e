"""Paper is the backtest of its tape: whether the tape lies finished or grows while it is read."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest

from copied_process import ONETAPE, Copied
from onetape.dashboard.options import link_file
from onetape.model.errors import BadInput
from onetape.replay.parity import compare
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.robot.generated import generated_market
from onetape.robot.paper import PaperOptions, open_robot, run_paper
from onetape.robot.robot_run import follow
from onetape.supervisor.demo import _way_in, run_demo
from onetape.tape.journal import JournalReader
from onetape.tape.prune import pins
from onetape.tape.segments import is_tape
from onetape.tape.verify import verify
from waiting import PATIENCE_S, wait_for
from worlds.strategy_files import TAKER, write
from worlds.tapes import BTC, Market

QUICK = """
from onetape import Strategy


class Quick(Strategy):
    symbol: str = "{symbol}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="1s@mid", history=3)
        self.set_timer("beat", every="1s")
        self.n = 0

    def on_quote(self, quote):
        self.n += 1
        if self.n % 7 == 0:
            side = self.buy if self.random.random() < 0.5 else self.sell
            side(self.symbol, 0.01)

    def on_bar(self, bar):
        self.log("bar", close=bar.close)

    def on_timer(self, name):
        self.cancel_all()
"""


def quick(folder: Path, symbol: str = "binance:BTC/USDT:USDT") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quick.py").write_text(QUICK.format(symbol=symbol))
    return f"{folder / 'quick.py'}:Quick"


def test_a_growing_tape_gives_the_decisions_of_the_finished_one(tmp_path):
    reference = quick(tmp_path / "code")
    with generated_market(
        tmp_path, ["binance:BTC/USDT:USDT"], seed=4, seconds=2.5, rate=8.0, history_seconds=30
    ) as market:
        robot = open_robot(PaperOptions(reference, [market.path], tmp_path, start=market.ready_at, cash="100000 USDT"))
        follow([robot])
        paper = robot.close(keep=True)
    assert paper is not None and paper.orders > 3 and paper.events > 50
    second = run_backtest(
        BacktestOptions(
            strategy=reference,
            data=[market.path],
            home=tmp_path,
            start=market.ready_at,
            cash="100000 USDT",
            out="again",
            write_report=False,
        )
    )
    assert second.action_hash == paper.action_hash
    assert compare(paper.run, second.run)["differing"] == 0
    assert replay_run(paper.run, verify=True)["divergences"] == 0
    assert verify(market.path).ok
    with JournalReader(market.path) as reader:
        assert not reader.core.writer_alive
    assert [pin.run for pin in pins(market.path)] == [paper.run.name]


def test_a_tape_played_at_speed_decides_like_its_backtest(tmp_path):
    market = Market(tmp_path / "tape")
    for i in range(600):
        market.quote(i * 0.1, 100 + i % 7, 101 + i % 7)
    tape = market.done()
    reference = quick(tmp_path / "code", BTC)
    began = time.monotonic()
    paper = run_paper(PaperOptions(reference, [tape], tmp_path, speed=60.0, out="paper"))
    assert time.monotonic() - began >= 0.9  # 59.9 s of tape at 60 times its speed
    second = run_backtest(
        BacktestOptions(strategy=reference, data=[tape], home=tmp_path, out="again", write_report=False)
    )
    assert paper.orders > 50 and paper.action_hash == second.action_hash


def test_stopping_early_leaves_a_run_that_replays(tmp_path):
    market = Market(tmp_path / "tape")
    for i in range(6000):  # ten minutes
        market.quote(i * 0.1, 100 + i % 7, 101 + i % 7)
    code = quick(tmp_path / "code", BTC)
    paper = run_paper(PaperOptions(code, [market.done()], tmp_path, speed=5.0, seconds=1.0, out="paper"))
    assert 0 < paper.events < 6000
    assert replay_run(paper.run, verify=True)["divergences"] == 0


def has_begun(journal: Path) -> bool:
    """Its robot has heard of the market."""
    with JournalReader(journal) as reader:
        return any(each.type == "order_request" for each in reader)


def on_paper(folder: Path) -> Copied:
    """A process that trades on a market of its own."""
    home = folder / "home"
    line = ("run", quick(folder / "code"), "--paper", "--json", "--out", "live", "--home", str(home))
    process = Copied(ONETAPE, *line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal = home / "runs" / "live" / "journal"
    wait_for(lambda: is_tape(journal) and has_begun(journal))
    return process


def test_ctrl_c_ends_a_paper_run_with_its_report(tmp_path):
    process = on_paper(tmp_path)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    run = tmp_path / "home" / "runs" / "live"
    assert (run / "run.toml").is_file() and (run / "report.html").is_file()
    assert replay_run(run, verify=True)["divergences"] == 0
    markets = list((tmp_path / "home" / "journal").iterdir())
    assert len(markets) == 1 and verify(markets[0]).ok  # the market's process ended and sealed


def test_the_market_of_a_paper_run_that_was_killed_ends_and_seals(tmp_path):
    process = on_paper(tmp_path)
    (market,) = (tmp_path / "home" / "journal").iterdir()
    process.kill()

    def is_written() -> bool:
        with JournalReader(market) as reader:
            return reader.core.writer_alive

    wait_for(lambda: not is_written())
    assert verify(market).ok


def test_paper_wants_a_tape(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("time,price,size\n")
    with pytest.raises(BadInput, match="is not a tape"):
        run_paper(PaperOptions(quick(tmp_path / "code"), [file], tmp_path))


def test_a_robot_that_fails_at_its_start_leaves_nothing(tmp_path):
    code = write(tmp_path / "code", "bad", TAKER.replace("def on_start(self):", "def on_start(self):\n        1 / 0"))
    market = Market(tmp_path / "tape")
    market.quote(1, 100, 101)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        open_robot(PaperOptions(str(code), [market.done()], tmp_path, symbol=BTC))
    assert not list((tmp_path / "runs").iterdir())


def test_the_demo_shows_its_pages_and_proves_what_it_did(tmp_path, monkeypatch):
    threads = set(threading.enumerate())
    opened, shown = [], []
    monkeypatch.setattr("onetape.supervisor.demo._open", opened.append)

    link = link_file(tmp_path)  # of an `up` that has ended
    link.parent.mkdir(mode=0o700)
    link.write_text("http://127.0.0.1:18423/login?token=old\n")
    link.chmod(0o600)

    def hear(line: str) -> None:
        assert "token" not in line
        if line.endswith(str(link)):
            shown.append(build_opener(HTTPCookieProcessor()).open(link.read_text().strip()).read())

    answer = run_demo(seconds=3, seed=2, home=tmp_path, say=hear)
    assert answer["replay_divergences"] == 0 and answer["parity_equal"] is True
    assert answer["events"] > answer["orders"] > 0 and answer["actions"] >= answer["orders"]
    assert Path(answer["report"]).stat().st_size > 20_000
    assert opened == [Path(answer["report"])]
    assert b"app.js" in shown[0] and answer["dashboard"].startswith("http://127.0.0.1:")
    with pytest.raises(OSError):
        urlopen(answer["dashboard"])  # it ended with the rest
    assert link.read_text() == "http://127.0.0.1:18423/login?token=old\n" and link.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: True))
    assert _way_in(tmp_path) == link.read_text().strip()
    assert set(threading.enumerate()) <= threads

"""A stop that comes while the strategy computes is taken between two frames, so that the run is repeated."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

import copied_process
from onetape.replay.replay import replay_run
from onetape.replay.time_travel import Traveller
from onetape.robot import robot_run
from onetape.robot.paper import PaperOptions, run_paper
from worlds.command_lines import CLEAN, answered
from worlds.tapes import BTC, Market

# Several timers are due before each frame, and the stop comes in the first half of one of them: of the run that has
# the file `now` beside its source, and not of its repetition.
ROBOT = """
import signal
from pathlib import Path

from onetape import Strategy


class Stopped(Strategy):
    symbol: str = "SYMBOL"
    hangs: bool = False

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("beat", every="10ms")
        self.n = 0
        self.bid = None

    def on_quote(self, quote):
        self.bid = quote.bid

    def on_timer(self, name):
        if self.bid is None:
            return
        self.n += 1
        now = Path(__file__).with_name("now")
        if self.n == 25 and now.exists():
            signal.raise_signal(signal.SIGINT)
            while now.read_text() == "hang":
                pass
        while self.n == 25 and self.hangs:
            pass
        if self.n % 5 == 0:
            self.buy(self.symbol, 0.01, self.bid * 0.9)
"""


def stopped(folder: Path, symbol: str, how: str = "go on") -> Path:
    (folder / "now").write_text(how)
    (folder / "stopped.py").write_text(ROBOT.replace("SYMBOL", symbol))
    return folder / "stopped.py"


@pytest.fixture
def _signals():
    """As they were."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number in numbers:
        signal.signal(number, before[number])


def quoted(folder: Path) -> Path:
    market = Market(folder / "tape")
    for i in range(600):
        market.quote(i * 0.1, 100 + i % 7, 101 + i % 7)
    return market.done()


@pytest.mark.usefixtures("_signals")
def test_what_stops_a_paper_run_lets_the_callback_end_and_what_is_due_with_it(tmp_path):
    code = stopped(tmp_path, BTC)
    paper = run_paper(PaperOptions(str(code), [quoted(tmp_path)], tmp_path, speed=1e6, out="paper"))
    assert 5 <= paper.orders < 100  # of 1200
    assert replay_run(paper.run, verify=True)["divergences"] == 0


@pytest.mark.parametrize("how", ["go on", "hang"])
def test_what_stops_a_live_robot_leaves_a_run_that_is_repeated(tmp_path, how):
    answered(tmp_path, "init", "my")
    folder = tmp_path / "my"
    stopped(folder, "kraken:BTC/USD", how)
    done = copied_process.run(
        *("run", "stopped.py", "--live", "--account", "main", "--seconds", 60, "--json"), cwd=folder, env=CLEAN
    )
    reported = json.loads(done.stdout)
    assert done.returncode == bool(reported.get("working")), done.stderr  # the venue may answer late
    assert reported["orders"] >= (5 if how == "go on" else 4)
    replayed = replay_run(Path(reported["run"]), verify=True)
    assert replayed["divergences"] == 0, replayed
    if how == "go on":
        assert replayed["actions"] == 2 * reported["orders"]  # all are canceled
    else:
        assert replayed["actions"] == reported["orders"] and len(replayed["broken_off"]) == 1


@pytest.mark.parametrize("hangs", [False, True], ids=["the first time", "always"])
@pytest.mark.usefixtures("_signals")
def test_a_callback_that_hangs_is_broken_off_and_a_replay_ends_before_it(tmp_path, monkeypatch, hangs):
    monkeypatch.setattr(robot_run, "HANGS_S", 0.2)
    code = stopped(tmp_path, BTC, "hang")
    began = time.monotonic()
    paper = run_paper(
        PaperOptions(str(code), [quoted(tmp_path)], tmp_path, speed=1e6, out="paper", params={"hangs": hangs})
    )
    assert time.monotonic() - began > 0.2
    assert paper.orders == 4 and (paper.run / "report.json").is_file()
    replayed = replay_run(paper.run, verify=True)
    assert (replayed["actions"], replayed["divergences"], len(replayed["broken_off"])) == (4, 0, 1)
    assert "checkpoints" not in replay_run(paper.run, until=str(replayed["broken_off"][0] + 1))
    with Traveller(paper.run) as traveller:
        assert 0 < traveller.step(1000) < 600
        assert traveller.is_end

"""`onetape run --live --single`: gateway and robot in one process, on the same two journals."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import copied_process
from onetape.gateway.options import gateway_journal, gateway_socket
from onetape.gateway.order_frames import FILL, REQUEST
from onetape.model.enums import EventType
from onetape.tape.journal import JournalReader

ROBOT = """
from onetape import Strategy


class Pair(Strategy):
    symbol: str = "kraken:BTC/USD"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.asked = 0

    def on_quote(self, quote):
        self.asked += 1
        if self.asked == 1:
            self.buy(self.symbol, 0.01)
        elif self.asked == 2:
            self.buy(self.symbol, 0.01, quote.bid * 0.9)
"""


def onetape(folder: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    done = copied_process.run(*arguments, cwd=folder, env=clean)
    assert done.returncode == code, done.stderr
    return done


def test_one_process_trades_cancels_what_works_and_is_repeated(tmp_path):
    onetape(tmp_path, "init", "my")
    folder = tmp_path / "my"
    (folder / "pair.py").write_text(ROBOT)
    live = ("run", "pair.py", "--live", "--single", "--account", "main", "--seconds", 4, "--json")
    told = json.loads(onetape(folder, *live).stdout)
    assert (told["orders"], told["fills"]) == (2, 1)
    run = Path(told["run"])
    again = json.loads(onetape(folder, "replay", run, "--verify", "--json").stdout)
    assert again["divergences"] == 0
    assert again["actions"] == 3  # two orders, and the cancel of what did not trade
    home = run.parents[1]
    with JournalReader(gateway_journal(home, "main")) as reader:
        frames = list(reader.frames(("order_request", "fill")))
    kinds = [REQUEST.unpack(frame.payload)[5] for frame in frames if frame.type == EventType.ORDER_REQUEST.id]
    fills = [FILL.unpack(frame.payload) for frame in frames if frame.type == EventType.FILL.id]
    assert kinds == [1, 1, 2]  # place, place, cancel
    assert len(fills) == 1
    assert not gateway_socket(home, "main").exists()


def test_single_is_of_live_runs_only(tmp_path):
    (tmp_path / "pair.py").write_text(ROBOT)
    told = onetape(tmp_path, "run", "pair.py", "--paper", "--single", code=2)
    assert "--single" in told.stderr


def test_only_one_process_of_all_spins(tmp_path):
    (tmp_path / "pair.py").write_text(ROBOT)
    told = onetape(tmp_path, "run", "pair.py", "--live", "--spin", code=2)
    assert "--spin" in told.stderr

"""A robot that cannot start has a position; the operator closes it, and the robot's next life finds
that: with a real supervisor."""

from __future__ import annotations

from pathlib import Path

import msgspec

from onetape.tape.journal import JournalReader
from worlds.supervised import ALLOCATE, Home

# Buys until it holds something, never again, and says with what it begins.
BUYER = """
from onetape import Strategy


class Buyer(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")
        self.log("started", qty=self.position(self.symbol).qty, works=len(self.orders()))

    def on_timer(self, name):
        if self.position(self.symbol).qty:
            self.memory["bought"] = True
        elif "bought" not in self.memory and not self.orders():  # denied until it has money
            self.buy(self.symbol, 0.01)
"""
BROKEN = BUYER.replace("def on_start(self):", "def on_start(self):\n        raise RuntimeError('no')")


def started(home: Home) -> list[tuple[float, int]]:
    """What the robot's lives have begun with, of all its runs."""
    found = []
    for run in sorted((home.home / "runs").iterdir(), key=lambda each: each.stat().st_mtime):
        with JournalReader(run / "journal") as reader:
            received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("log",))]
        found += [(each["fields"]["qty"], each["fields"]["works"]) for each in received if each["text"] == "started"]
    return found


def test_what_was_closed_for_a_robot_is_gone_when_it_comes_back(tmp_path: Path) -> None:
    with Home(tmp_path, maker=BUYER) as home:
        home.run("up")
        assert home.run(*ALLOCATE)["status"] == "applied"
        home.wait_for(home.fills)
        close = ("close", "binance:BTC/USDT:USDT", "--subaccount", "a")
        assert home.run(*close, code=5)["error"]["name"] == "NOT_OWNER"
        (tmp_path / "maker.py").write_text(BROKEN)
        home.run("restart", "robot:mm", code=6)
        home.wait_for(lambda: home.process("robot:mm")["state"] == "failed")
        home.kill("gateway:main")  # what each holds, it reads from its tape
        done = home.run(*close)
        assert ([row["robot"] for row in done["orders"]], done["left"]) == (["mm"], [])
        (tmp_path / "maker.py").write_text(BUYER)
        home.run("restart", "robot:mm")
        home.wait_for(lambda: len(started(home)) == 2)
        assert started(home) == [(0.0, 0), (0.0, 0)]
        home.run("down")
        for run in (home.home / "runs").iterdir():
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run

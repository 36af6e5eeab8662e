"""A live robot that scans its market: what it hears and orders is repeated from its tapes, also after
a life that ended in the middle."""

from __future__ import annotations

from pathlib import Path

from onetape.robot.options import run_journal
from waiting import wait_for
from worlds.supervised import CONFIG, Home
from worlds.tapes import records

SCANNER = """
from onetape import Strategy


class Scanner(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.side = 1
        self.scan('trades("1s") >= 2 or age > 0.5', self.symbol)
        self.scan("bid > 0")

    def on_event(self, event):
        if event.matched and event.expression != "bid > 0":
            (self.buy if self.side > 0 else self.sell)(self.symbol, 0.01)
            self.side = -self.side
"""


def test_a_live_robot_scans_and_its_run_is_repeated(tmp_path: Path):
    with Home(tmp_path, CONFIG, SCANNER) as home:
        home.run("up")
        home.run("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
        journal = run_journal(home.home, "robot:mm")
        assert journal is not None

        def heard() -> list[dict]:
            found = [each.data for each in records(journal, "external")]
            assert all(each["kind"] == "scan" for each in found)
            return found

        wait_for(lambda: len(home.fills()) >= 3 and len(heard()) >= 6)
        before = len(heard())
        home.kill("robot:mm")
        wait_for(lambda: len(heard()) >= before + 4)
        found = home.run("replay", str(journal.parent), "--verify")
        assert found["divergences"] == 0 and found["actions"] >= 4
        home.run("down")
        assert home.run("replay", str(journal.parent), "--verify")["divergences"] == 0

"""A robot that falls behind its gateway's tape is told, and opens nothing on what is old."""

from __future__ import annotations

from pathlib import Path

import msgspec

from onetape.gateway.robot_lag import RobotLag
from onetape.robot.options import run_journal
from onetape.tape.journal import JournalReader, JournalWriter
from waiting import wait_for
from worlds.supervised import CONFIG, Home

SECOND = 10**9
LATE = """
import time

from onetape import Strategy


class Late(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.step = 0

    def on_quote(self, quote):
        held = self.position(self.symbol).qty
        if self.step == 0 and self.balance("USDT").available < 1000:
            return
        if self.step == 0:
            self.buy(self.symbol, 0.05)
        elif self.step == 1 and held > 0:
            time.sleep(4)  # as a strategy that computes for long
            self.resting = self.buy(self.symbol, 0.01, quote.bid - 500)
            self.sell(self.symbol, 0.02, reduce_only=True)
        elif self.step == 2 and self.lag == "caught up":
            self.buy(self.symbol, 0.01)
        else:
            return
        self.step += 1

    lag = ""

    def on_health(self, health):
        if health.kind == "lag":
            self.lag = health.state
            self.log("lag", state=health.state, subject=health.subject)

    def on_order(self, order):
        self.log("order", state=order.state, code=order.code, qty=order.qty)
"""


def test_a_robot_that_is_behind_opens_nothing_and_is_told(tmp_path: Path):
    with Home(tmp_path, CONFIG.replace('venue = "x"', 'venue = "x"\nstale_after = "2s"'), LATE) as h:
        h.run("up")
        h.run("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
        run = run_journal(h.home, "robot:mm").parent

        def logged(text: str) -> list[dict]:
            with JournalReader(run / "journal") as reader:
                records = [each.data for each in reader if each.type == "log"]
            return [each["fields"] for each in records if each["text"] == text]

        def filled() -> list[float]:
            return [each["qty"] for each in logged("order") if each["state"] == "FILLED"]

        wait_for(lambda: len(filled()) == 3)
        h.run("down")
        assert filled() == [0.05, 0.02, 0.01]  # open, reduce while behind, open when caught up
        denied = [each for each in logged("order") if each["state"] == "DENIED"]
        assert [(each["qty"], each["code"]) for each in denied] == [(0.01, 4304)]
        assert [each["state"] for each in logged("lag")] == ["behind", "caught up"]
        assert {each["subject"] for each in logged("lag")} == {"mm"}
        answer = h.run("replay", str(run), "--verify")
        assert answer["divergences"] == 0


def test_a_quiet_market_makes_nobody_late(tmp_path: Path):
    with JournalWriter(tmp_path / "tape", process="gateway:main") as writer:
        for second in (1, 2, 30):
            writer.append_quote(1, second * SECOND, second * SECOND, 1, 2, 0, 0)
            writer.append("health", msgspec.msgpack.encode({}), time=(second + 1) * SECOND)
        lag = RobotLag(tmp_path / "tape", 5 * SECOND)
        assert lag.of_decision(2 * SECOND, 29 * SECOND) == 0  # nothing came since but a word of ours
        assert lag.of_decision(1 * SECOND, 29 * SECOND) == 27 * SECOND
        assert lag.of_decision(1 * SECOND, 6 * SECOND) == 0  # in time
        assert lag.of_decision(3 * SECOND, 33 * SECOND) == 0
        assert lag.of_decision(3 * SECOND, 36 * SECOND) == 6 * SECOND
        assert lag.of_progress(4, 36 * SECOND) == 6 * SECOND
        assert lag.of_progress(5, 99 * SECOND) == 0
        assert RobotLag(tmp_path / "tape", 0).of_decision(1, 99 * SECOND) == 0

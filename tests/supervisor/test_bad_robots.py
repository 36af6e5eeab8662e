"""A robot that raises, loops for ever, floods orders or takes all memory harms nobody else: the
other robot of the account trades on, and `status` and alerts say which one it was and why."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from long_form import long_form
from onetape.model.home import gateway_journal
from onetape.notify.past_alerts import past_alerts
from onetape.projections.account_views import orders
from onetape.store.config import load_config
from onetape.tape.journal import JournalReader
from worlds.frames import NEWS
from worlds.supervised import FAILS_AT_START, MAKER, Home

SYMBOL = "binance:BTC/USDT:USDT"
# It buys a little again and again (what the other one has waiting would refuse its sales).
GOOD = """
from onetape import Strategy


class Good(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="400ms")

    def on_timer(self, name):
        if self.quote(self.symbol) is not None:
            self.buy(self.symbol, 0.002)
"""
# First a position and an order that waits, then what is wrong with it, once `go` is set.
BAD = """
from onetape import Strategy


class Bad(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    how: str = "fail"
    go: bool = False

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.begun = False
        self.hoard = []

    def on_quote(self, quote):
        if not self.begun:
            self.begun = True
            if not self.resumed:
                self.buy(self.symbol, 0.02)
            self.buy(self.symbol, 0.01, quote.bid - 3000, post_only=True)
        if self.go:
            getattr(self, self.how)(quote)

    def fail(self, quote):
        raise RuntimeError("no more")

    def loop(self, quote):
        while True:
            pass

    def flood(self, quote):
        for _ in range(200):
            self.buy(self.symbol, 0.01, quote.bid - 2000, post_only=True)

    def leak(self, quote):
        self.hoard.append(bytearray(b"x" * (1 << 25)))
"""


def config(**bad: object) -> str:
    return (
        '[venues.x]\nkind = "binance-usdm"\nmode = "sim"\n[accounts.main]\nvenue = "x"\n'
        '[robots.good]\nstrategy = "maker.py"\naccount = "main"\n'
        '[robots.bad]\nstrategy = "bad.py"\naccount = "main"\n'
        + "".join(f"{key} = {value}\n" for key, value in bad.items())
    )


class Two(Home):
    """A good robot and a bad one."""

    def __init__(self, folder: Path, **bad: object) -> None:
        (folder / "bad.py").write_text(BAD)
        super().__init__(folder, config(**bad), GOOD)

    def begin(self) -> None:
        """Until both have traded and the bad one has an order that waits."""
        self.run("up")
        self.wait_for(lambda: self.trades("good") and self.trades("bad") and self.working("bad"))

    def go(self) -> None:
        assert self.run("send", "robot:bad", "params", "go=true")["status"] == "applied"

    def trades(self, robot: str) -> int:
        return sum(fill["robot"] == robot for fill in self.fills())

    def working(self, robot: str) -> list[dict]:
        found = orders(self.home, load_config(self.folder / "onetape.toml", {}))
        return [order for order in found if order["robot"] == robot]

    def held(self, robot: str) -> Decimal:
        return sum(
            (
                Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
                for fill in self.fills()
                if fill["robot"] == robot
            ),
            Decimal(0),
        )

    def good_trades_on(self) -> None:
        pid, many = self.process("robot:good")["pid"], self.trades("good")
        self.wait_for(lambda: self.trades("good") > many + 2)
        shown = self.process("robot:good")
        assert (shown["pid"], shown["restarts"], shown["reason"]) == (pid, 0, "")

    def alerts_of(self, robot: str) -> str:
        return "\n".join(str(each) for each in past_alerts(self.home, 100) if robot in str(each))


@pytest.mark.parametrize("policy", ["flatten", *long_form("halt", "continue")])
def test_one_that_raises_follows_its_policy(tmp_path: Path, policy: str) -> None:
    with Two(tmp_path, on_error=f'"{policy}"', params='{ how = "fail" }') as home:
        home.begin()
        home.go()
        home.wait_for(lambda: "no more" in home.alerts_of("robot:bad"))
        if policy == "continue":
            assert home.working("bad")
            assert home.held("bad") > 0
            assert home.process("robot:bad")["reason"] == ""
        else:
            # With an order that waits on the other side: it has to go before a position is closed.
            home.wait_for(lambda: not home.working("bad"))
            if policy == "flatten":
                home.wait_for(lambda: home.held("bad") == 0)
            else:
                assert home.held("bad") > 0
            home.wait_for(lambda: home.process("robot:bad")["reason"].startswith("halted: "))
            said = home.process("robot:bad")["reason"]
            assert "RuntimeError: no more" in said
            assert "in on_quote" in said
        assert home.process("robot:bad")["state"] == "running"
        home.good_trades_on()
        home.run("down")
        for run in (home.home / "runs").iterdir():
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run


@pytest.mark.parametrize(("on_stuck", "state"), [("restart", "running"), *long_form(("fail", "failed"))])
def test_one_that_never_comes_back_is_named_ended_and_loses_its_orders(
    tmp_path: Path, on_stuck: str, state: str
) -> None:
    bad = {"stuck_after": '"3s"', "on_stuck": f'"{on_stuck}"', "params": '{ how = "loop" }'}
    with Two(tmp_path, **bad) as home:
        home.begin()
        (order,) = home.working("bad")
        home.go()
        home.wait_for(lambda: "no progress for" in home.process("robot:bad")["reason"])
        home.wait_for(lambda: "did not return" in home.log())
        home.wait_for(lambda: "did not return" in home.alerts_of("robot:bad"))
        home.wait_for(lambda: order not in home.working("bad"))
        home.wait_for(lambda: home.process("robot:bad")["state"] == state)
        if state == "running":
            assert home.process("robot:bad")["restarts"] >= 1
        else:
            assert "did not return" in home.process("robot:bad")["reason"]
        assert home.held("bad") > 0  # what it holds stays
        home.good_trades_on()


def test_one_that_floods_is_halted_and_the_other_ones_orders_go_through(tmp_path: Path) -> None:
    with Two(tmp_path, orders_per_second=2, params='{ how = "flood" }') as home:
        home.begin()
        home.go()
        tape = gateway_journal(home.home, "main")

        def denied() -> Counter:
            """By robot and code."""
            with JournalReader(tape) as reader:
                rows = [NEWS.unpack(f.payload) for f in reader.frames(("order_event",))]
            return Counter((row[9], row[6]) for row in rows if row[6])

        home.wait_for(lambda: home.process("robot:bad")["reason"].startswith("halted: "))
        assert "ORDER_RATE(4307)" in home.process("robot:bad")["reason"]
        home.wait_for(lambda: "ORDER_RATE" in home.alerts_of("robot:bad"))
        home.wait_for(lambda: not home.working("bad"))
        home.good_trades_on()
        assert 4307 in {code for _, code in denied()}
        assert len({robot for robot, _ in denied()}) == 1  # none of the other's
        assert home.process("robot:bad")["state"] == "running"
        home.run("down")
        for run in (home.home / "runs").iterdir():  # halted at the same frame
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run


def test_one_that_takes_all_memory_is_ended_with_the_reason(tmp_path: Path) -> None:
    with Two(tmp_path, memory_max='"300MB"', params='{ how = "leak" }') as home:
        home.begin()
        home.go()
        home.wait_for(lambda: "memory_max is 300 MB" in home.log())
        home.wait_for(lambda: "memory_max is 300 MB" in home.alerts_of("robot:bad"))
        home.good_trades_on()
        # It does so each time: in the end it stays away, without orders.
        home.wait_for(lambda: home.process("robot:bad")["state"] == "failed")
        assert "memory_max is 300 MB" in home.process("robot:bad")["reason"]
        home.wait_for(lambda: not home.working("bad"))
        home.good_trades_on()


def test_a_mended_strategy_runs_after_down_and_up_though_the_run_before_failed(tmp_path: Path) -> None:
    with Home(tmp_path, maker=FAILS_AT_START) as home:
        home.run("up", code=6)
        assert "not today" in home.process("robot:mm")["reason"]
        home.run("down")
        (tmp_path / "maker.py").write_text(MAKER)
        home.run("up")
        assert home.process("robot:mm")["state"] == "running"
        home.run("down")

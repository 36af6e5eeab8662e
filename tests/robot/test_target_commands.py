"""Targets that the operator sets, pauses and ends: worked by the robot's own desk, after a kill and in a replay too."""

from __future__ import annotations

import os
import signal
from decimal import Decimal

import msgspec
import pytest

from onetape.engine.robot_commands import TARGETS, commands_of
from onetape.engine.session import Session
from onetape.robot.options import run_journal
from worlds.supervised import CONFIG, Home
from worlds.tapes import BTC, Market, session_of

IDLE = """
from onetape import Strategy


class Idle(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True)
"""
SEND = ("send", "robot:mm")
TARGET = (*SEND, "target", f"symbol={BTC}")


def held(home: Home) -> Decimal:
    return sum((Decimal(each["qty"]) for each in home.run("positions")), Decimal(0))


def test_a_target_is_worked_paused_through_a_kill_and_ended_as_the_operator_says(tmp_path):
    with Home(tmp_path, CONFIG, IDLE) as home:
        home.run("up")
        home.run("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
        answer = home.run(*TARGET, "qty=0.3", "algo=twap", "minutes=0.5", "clip=0.01")
        assert answer["result"] == {"symbol": BTC, "works": True}
        home.wait_for(lambda: held(home) >= Decimal("0.05"))
        assert home.run(*SEND, "pause_target", f"symbol={BTC}")["status"] == "applied"
        home.wait_for(lambda: not home.run("orders"))
        paused = held(home)
        os.kill(home.process("robot:mm")["pid"], signal.SIGKILL)
        home.wait_for(lambda: home.process("robot:mm")["state"] == "running" and home.process("robot:mm")["restarts"])
        assert held(home) == paused < Decimal("0.3")
        assert home.run(*SEND, "resume_target", f"symbol={BTC}")["status"] == "applied"
        home.wait_for(lambda: held(home) == Decimal("0.3"))
        home.run(*TARGET, "qty=0")  # at once
        home.wait_for(lambda: held(home) == 0)
        home.run(*TARGET, "qty=0.3", "algo=twap", "minutes=10")
        assert home.run(*SEND, "cancel_target", f"symbol={BTC}")["result"]["works"] is False
        home.wait_for(lambda: not home.run("orders"))
        journal = run_journal(home.home, "robot:mm")
        home.run("down")
    said = [each.command for each in commands_of(journal) if each.command in TARGETS]
    assert said == ["target", "pause_target", "resume_target", "target", "target", "cancel_target"]
    assert home.run("replay", str(journal.parent), "--verify")["divergences"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("target", "symbol=binance:X/USDT:USDT", "qty=1"), "does not trade"),
        (("target", f"symbol={BTC}"), "qty"),
        (("target", f"symbol={BTC}", "qty=nan"), "finite"),
        (("target", f"symbol={BTC}", "qty=1", "algo=vwop"), "vwop"),
        (("target", f"symbol={BTC}", "qty=1", "minutes=5"), "touch"),
        (("target", f"symbol={BTC}", "qty=1", "algo=twap"), "minutes"),
        (("target", f"symbol={BTC}", "qty=1", "algo=twap", "minutes=-1"), "minutes"),
        (("target", f"symbol={BTC}", "qty=1", "algo=peg", "colour=red"), "colour"),
        (("pause_target", f"symbol={BTC}"), "no target"),
        (("cancel_target", f"symbol={BTC}", "qty=1"), "symbol alone"),
    ],
)
def test_what_is_no_target_is_refused_and_changes_nothing(tmp_path, words, says):
    command, *fields = words
    session = opened(tmp_path)
    with pytest.raises(Exception, match=says):
        session.check_target(command, dict(each.split("=", 1) for each in fields))
    assert session.robot._desk is None


def opened(folder, **plan) -> Session:
    from onetape.engine.strategy import Strategy

    class Idle(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)

    market = Market(folder / "t")
    for second in range(10):
        market.quote(second, 99.9, 100.1)
    session = session_of(Idle, market.done(), **plan)
    session.open()
    session.start()
    session.step()
    return session


def test_each_command_does_what_it_says(tmp_path):
    session = opened(tmp_path)
    session.ask("target", {"symbol": BTC, "qty": "2", "algo": "peg", "minutes": 5})
    (order,) = session.loop.working(BTC)
    assert session.works(BTC) and order.side == "buy"
    session.ask("pause_target", {"symbol": BTC})
    assert session.works(BTC) and not [o for o in session.loop.working(BTC) if o.state != "PENDING_CANCEL"]
    session.finish()
    assert msgspec.json.encode([order.state]) == b'["CANCELED"]'


def test_in_hedge_mode_a_command_names_its_side(tmp_path):
    session = opened(tmp_path, hedge=True)
    for fields, says in (
        ({"qty": "2"}, "hedge mode"),
        ({"qty": "2", "side": "up"}, "long or short"),
        ({"qty": "-2", "side": "long"}, "0 or more"),
    ):
        with pytest.raises(Exception, match=says):
            session.check_target("target", {"symbol": BTC, **fields})
    session.ask("target", {"symbol": BTC, "qty": "2", "algo": "peg", "minutes": 5, "side": "long"})
    session.ask("target", {"symbol": BTC, "qty": "2", "algo": "peg", "minutes": 5, "side": "short"})

    def working() -> set[tuple[str, str]]:
        orders = session.loop.working(BTC)
        return {(each.side, each.position_side) for each in orders if each.state != "PENDING_CANCEL"}

    assert working() == {("buy", "long"), ("sell", "short")}
    session.ask("pause_target", {"symbol": BTC, "side": "long"})
    assert working() == {("sell", "short")} and session.works(BTC)
    session.ask("cancel_target", {"symbol": BTC})
    assert working() == set() and not session.works(BTC)
    session.finish()

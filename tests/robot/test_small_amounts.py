"""Money of less than a millionth, which Python's decimals write with an exponent: dust is on every real account."""

from __future__ import annotations

import time
from decimal import Decimal

from onetape import Strategy
from onetape.accounts.entries import Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from worlds.scripted_gateway import Robot
from worlds.tapes import Market, play

DUST = 5 * 10**11  # units of 1e-18: 5E-7


class Idle(Strategy):
    symbols: list[str] = []  # noqa: RUF012 - a parameter

    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)


def test_a_robot_comes_back_after_a_kill_where_a_trifle_has_moved(tmp_path):
    with Robot(tmp_path, Idle) as robot:
        legs = (Leg(2, "USDT", DUST), Leg(Outside.WORLD, "USDT", -DUST))
        entry = Entry(robot.first.later, Cause.CORRECTION, legs, "", 0)
        robot.first.tape.writer.append("entry", pack(entry), stream=0, time=robot.first.later)
        robot.step()
        robot.first.balances = {"USDT": "1000.0000005"}
        robot.kill()
        assert robot.robot.resumed and Decimal(robot.loop.moved_in_text) == Decimal("5E-7")


def test_a_robot_starts_on_an_account_that_has_dust_of_another_coin(tmp_path):
    robot = Robot(tmp_path, Idle)
    says = robot.first.ask
    robot.first.ask = lambda do, **fields: {**says(do, **fields), "others": {"BNB": "1E-8"}}
    with robot:
        assert robot.robot.balance("BNB").total == 1e-8


def test_a_backtest_begins_with_a_trifle(tmp_path):
    played = play(Idle, Market(tmp_path / "t").quote(0, 99.9, 100.1).done(), cash={"USDT": Decimal("1E-7")})
    assert played.equity == Decimal("1E-7")


def test_what_comes_in_while_a_robot_takes_its_seat_is_no_profit(tmp_path):
    """After the sum that it is given, and before it begins."""
    with Robot(tmp_path, Idle) as robot:
        robot.step()
        says = robot.first.ask

        def ask(do, **fields):
            reply = says(do, **fields)
            if "entries_after" not in reply:
                return reply
            later, amount = time.time_ns(), 20_000 * 10**18
            legs = (Leg(2, "USDT", amount), Leg(Outside.WORLD, "USDT", -amount))
            robot.first.tape.writer.append(
                "entry", pack(Entry(later, Cause.CORRECTION, legs, "", 0)), stream=0, time=later
            )
            del robot.first.quote
            robot.first.quote()  # it begins with the first one after its seat
            return reply

        before = robot.run.session.loop.equity_text
        robot.first.ask, robot.first.quote = ask, lambda: None
        robot.kill()
        session = robot.run.session
        assert Decimal(session.loop.equity_text) == Decimal(before) + 20_000
        assert session.start_equity == Decimal(before) + 20_000
        assert session.spec.began_with == Decimal(before) and session.profit == 0

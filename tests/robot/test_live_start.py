"""A live robot's time begins with its market, whatever its gateway writes while the robot starts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from test_fee_currency import Gateway, opened

from onetape.engine import session
from onetape.model.enums import OrderNews, RequestKind, Side
from onetape.model.errors import MarketDataUnavailable
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.orders.machine import OrderEvent
from onetape.orders.managed import HealthOut, IntentOut, NewsOut, Request, requested_order
from onetape.replay.replay import replay_run
from onetape.robot import live
from onetape.robot.live import LiveOptions, open_live
from onetape.supervisor.restart_rules import PASSING
from worlds.frames import QUOTE

SYMBOL = "binance:BTC/USDT:USDT"
HOUR = 3600 * 10**9
BUYER = f"""
from onetape import Strategy


class Buyer(Strategy):
    symbol: str = "{SYMBOL}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="10m")

    def on_timer(self, name):
        if not self.orders(self.symbol):
            self.buy(self.symbol, 0.04, 60_000.0)
"""


class JustBegun(Gateway):
    """A gateway that takes robots before its account is reconciled: until then it knows of no money."""

    looks = 0

    def ask(self, do: str, **fields):
        if do == "standing":
            self.looks += 1
            waits_for = "" if self.looks > 1 else "the account's reconciliation"
            return {"settled": not waits_for, "waits_for": waits_for, "balances": {} if waits_for else self.balances}
        reply = super().ask(do, **fields)
        if do == "attach":
            self.balances, reply["balances"] = reply["balances"], {}
        return reply


def test_a_new_robot_waits_for_the_money_of_a_gateway_that_has_just_begun(tmp_path):
    (tmp_path / "buyer.py").write_text(BUYER)
    tape = opened(gateway_journal(tmp_path, "main"))
    later = time.time_ns() + HOUR
    tape.writer.append("quote", QUOTE.pack(later, later, 600_100, 600_110, 10, 10, 0), stream=1, time=later)
    options = LiveOptions(strategy=str(tmp_path / "buyer.py"), data=[], home=tmp_path, out=tmp_path / "runs")
    robot = open_live(options, {"main": JustBegun(tape)})
    try:
        assert robot.session.host.balance("USDT").total == 10_000
    finally:
        robot.session.close()
        tape.writer.close()


def test_a_market_that_has_not_come_yet_is_waited_for_and_no_fault_of_the_robot(tmp_path, monkeypatch):
    """The gateway may connect to no market for minutes: the venue bounds connections, or is away."""
    (tmp_path / "buyer.py").write_text(BUYER)
    tape = opened(gateway_journal(tmp_path, "main"))
    monkeypatch.setattr(live, "MARKET_WITHIN_S", 0.2)
    options = LiveOptions(strategy=str(tmp_path / "buyer.py"), data=[], home=tmp_path, out=tmp_path / "runs")
    try:
        with pytest.raises(MarketDataUnavailable) as refused:
            open_live(options, {"main": Gateway(tape)})
    finally:
        tape.writer.close()
    assert refused.value.name in PASSING


def test_what_comes_before_the_first_market_is_before_the_start_also_when_it_comes_late(tmp_path, monkeypatch):
    """A frame that is no market came between the warm-up and the look for the first one: the robot began with it, and
    its timers fell due before orders that a repetition took as there from the start."""
    (tmp_path / "buyer.py").write_text(BUYER)
    tape = opened(gateway_journal(tmp_path, "main"))
    later = time.time_ns() + HOUR

    def quote(at: int) -> None:
        row = QUOTE.pack(at, at, 600_100, 600_110, 10, 10, 0)
        tape.writer.append("quote", row, stream=1, time=at)

    meanwhile = [lambda: tape.write(HealthOut("account stream", "main", "live"), later), lambda: quote(later + HOUR)]
    release = session.release_streams

    def released(*arguments: Any) -> None:
        release(*arguments)
        if meanwhile:
            meanwhile.pop(0)()

    quote(time.time_ns() - HOUR)
    monkeypatch.setattr(session, "release_streams", released)
    options = LiveOptions(strategy=str(tmp_path / "buyer.py"), data=[], home=tmp_path, out=tmp_path / "runs")
    robot = open_live(options, {"main": Gateway(tape)})
    monkeypatch.undo()
    try:
        robot.step()
        (order,) = robot.session.loop.working(None)
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=40, price_int=600_000)
        ours = requested_order("c", Request(1, RequestKind.PLACE, order.id, spec), later)
        tape.write(IntentOut(ours, RequestKind.PLACE, 600_000, 40), later + HOUR)
        ours.take(OrderEvent.ACCEPT)
        tape.write(NewsOut(ours, OrderNews.ACCEPTED, ours.state, later), later + HOUR)
        quote(later + 2 * HOUR)
        robot.step()
        robot.close(keep=True)
        repeated = replay_run(robot.folder, verify=True)
    finally:
        robot.session.close()
        tape.writer.close()
    assert repeated["actions"] >= 1 and repeated["divergences"] == 0, repeated

"""One robot on two accounts: orders go to the gateway of the account that trades their symbol, what comes back is of
both, and one gateway that is away stops nothing at the other."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from long_form import LONG
from onetape import Strategy
from onetape.engine.loader import load_strategy
from onetape.engine.robot_commands import AWAY, BACK, commands_of
from onetape.model.config import parse_config
from onetape.model.enums import Side
from onetape.model.errors import BadConfig, NotAvailable, UnknownSymbol
from onetape.model.ids import EPOCH_BITS, EPOCH_MAX
from onetape.model.money import money_units
from onetape.orders.managed import HealthOut
from onetape.projections.robot_life import RobotLife
from onetape.replay.replay import replay_run
from onetape.robot.earlier_run import earlier_of
from onetape.robot.live import LiveOptions, open_live
from onetape.robot.options import traded_venues
from onetape.runs.attribution import attribution_of
from worlds.scripted_gateway import A, B, Gateway
from worlds.supervised import TWO_EXCHANGES, Home

PAIR = Path(__file__).resolve().parents[2] / "strategies" / "pair_arbitrage.py"
VENUES = {"a": "binance", "b": "aster"}
KILLED = ("robot:pair", "gateway:b", *(("gateway:a",) if LONG else ()))
SLICE = Decimal("0.01")
CONFIG = f"""{TWO_EXCHANGES}[robots.pair]
strategy = "busy.py"
accounts = ["a", "b"]
params = {{ a = "{A}", b = "{B}" }}
"""
BRIDGED = """
[venues.bridged]
kind = "ccxt:binanceusdm"
[accounts.c]
venue = "bridged"
"""
# In and out without end, whatever the gap.
BUSY = """
from pair_arbitrage import PairArbitrage


class Busy(PairArbitrage):
    aim = 1
    seen = 0

    def work(self, a, b):
        self.seen += 1
        if self.seen % 5 == 0:
            super().work(a, b)

    def wish(self, a, b, held):
        if abs(held - self.aim * self.size) < self.lot / 2:
            self.aim = -self.aim
        return self.aim * self.size
"""


class Both(Strategy):
    symbols: list[str]

    def on_start(self):
        self.heard, self.orders_made = [], []
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)
        self.order_both()

    def order_both(self):
        self.orders_made += [self.buy(symbol, 0.04, 60_000.0) for symbol in self.symbols]

    def on_fill(self, fill):
        self.heard.append((fill.order.symbol, fill.qty, fill.fee_currency))

    def on_health(self, health):
        self.heard.append((health.kind, health.subject, health.state))
        if health.state == "lost":
            second = self.orders_made[1]
            self.changed = self.amend(second, qty=0.03), self.cancel(second)
        self.order_both()


class Failing(Both):
    def on_quote(self, quote):
        if ("gateway", "b", "lost") in self.heard:
            raise ValueError("no more")


class Guarded(Strategy):
    symbols: list[str]

    def on_start(self):
        self.entry = self.buy(self.symbols[1], 0.02, 60_000.0, stop_loss=50_000, trail="10%")


class Stubborn(Both):
    def on_quote(self, quote):
        self.denied = [self.buy(self.symbols[1], 0.01, 60_000.0).code for _ in range(1_500)]


def test_each_account_hears_and_pays_its_own_though_numbers_are_the_same(tmp_path):
    gateways = {"a": Gateway(tmp_path, "a"), "b": Gateway(tmp_path, "b", epoch=EPOCH_MAX - 9)}
    options = LiveOptions(strategy=Both, data=[], home=tmp_path, venues=VENUES, params={"symbols": [A, B]})
    robot = open_live(options, gateways)
    strategy, host = robot.session.robot, robot.session.host
    try:
        assert strategy.accounts == VENUES
        first, second = strategy.orders_made
        assert (first.id >> EPOCH_BITS, second.id - first.id) == (EPOCH_MAX - 8, 1), "ids are new at both"
        orders = {first.id: gateways["a"].order(first.id), second.id: gateways["b"].order(second.id)}
        gateways["a"].fill(orders[first.id], 10, "BNB")
        gateways["b"].fill(orders[second.id], 20, "ASTER")
        robot.step()
        assert strategy.heard == [(A, 0.01, "BNB"), (B, 0.02, "ASTER")]
        assert (strategy.position(A).qty, strategy.position(B).qty) == (0.01, 0.02)
        assert [host.balance("USDT", venue).total for venue in ("binance", "aster")] == [999, 999]
        # What is held of the one account is not held of the other.
        locked = [host.balance("USDT", venue).locked for venue in ("binance", "aster")]
        assert locked[0] == pytest.approx(2400, rel=0.01)
        assert host.balance("USDT").locked == pytest.approx(sum(locked))
        assert host.balance("USDT").total == 1998
        assert strategy.balance("USDT", account="b").locked == locked[1]
        assert strategy.position(B, account="b").qty == 0.02
        assert sum(map(strategy.equity_of, VENUES)) == strategy.equity == strategy.equity_of()
        with pytest.raises(UnknownSymbol, match="aster:BTC/USDT:USDT is not traded on account a"):
            strategy.buy(B, 0.01, account="a")
        with pytest.raises(UnknownSymbol, match="no account 'c'"):
            strategy.set_target(B, 0.01, account="c")

        del strategy.heard[:]
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        assert strategy.heard == [("gateway", "b", "lost")]
        assert [(o.state, o.code) for o in strategy.orders_made[2:]] == [("SUBMITTED", 0), ("DENIED", 4606)]
        assert strategy.orders_made[3].reason == "its gateway is away"
        assert strategy.changed == (False, True), "a cancel is taken when the gateway is back"
        robot.session.ask(BACK, {"account": "b", "gateway": 1})
        assert [each.state for each in strategy.orders_made[4:]] == ["SUBMITTED", "SUBMITTED"]
        run = robot.close(keep=True)
    except BaseException:
        robot.close(keep=False)
        raise
    finally:
        for gateway in gateways.values():
            gateway.tape.writer.close()
    assert run is not None
    assert replay_run(run.run, verify=True)["divergences"] == 0


def test_a_leg_whose_gateway_dies_with_its_order_leaves_the_other_closed(tmp_path):
    """And what is heard of that order later is evened out."""
    gateways = {"a": Gateway(tmp_path, "a"), "b": Gateway(tmp_path, "b")}
    params = {"a": B, "b": A, "edge": -0.01}
    strategy = load_strategy(f"{PAIR}:PairArbitrage")
    robot = open_live(LiveOptions(strategy=strategy, data=[], home=tmp_path, venues=VENUES, params=params), gateways)
    loop = robot.session.loop

    def working() -> list[tuple[str, str, float]]:
        return [(order.symbol, order.side, order.qty) for order in loop.working(None)]

    try:
        robot.step()
        first = {order.symbol: order for order in loop.working(None)}
        assert sorted(working()) == [(B, "sell", 0.01), (A, "buy", 0.01)]
        gateways["a"].fill(gateways["a"].order(first[A].id, 10), 10, "USDT")
        robot.step()
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        gateways["b"].tape.write(HealthOut("account stream", "b", "live", "info"), time.time_ns())
        robot.step()
        gateways["a"].quote()
        robot.step()
        assert working() == [(B, "sell", 0.01), (A, "sell", 0.01)]
        back = loop.working(A)[0]
        gateways["a"].fill(gateways["a"].order(back.id, 10, Side.SELL), 10, "USDT", Side.SELL)
        gateways["a"].quote()
        robot.step()
        assert working() == [(B, "sell", 0.01)], "it is flat, and waits"
        robot.session.ask(BACK, {"account": "b", "gateway": 1})
        gateways["b"].fill(gateways["b"].order(first[B].id, 10, Side.SELL), 10, "USDT", Side.SELL)
        gateways["b"].quote()
        robot.step()
        assert working() == [(A, "buy", 0.01)]
    finally:
        robot.close(keep=False)
        for gateway in gateways.values():
            gateway.tape.writer.close()


@contextmanager
def both(tmp_path: Path, strategy: type[Strategy], *, bars: int = 0, **options: object):
    """A robot on both, and its gateways. bars: that the second one hears, ns."""
    gateways = {"a": Gateway(tmp_path, "a"), "b": Gateway(tmp_path, "b")}
    gateways["b"].bars = bars
    chosen = LiveOptions(
        strategy=strategy, data=[], home=tmp_path, venues=VENUES, params={"symbols": [A, B]}, **options
    )
    robot = open_live(chosen, gateways)
    try:
        yield robot, gateways
    finally:
        robot.close(keep=False)
        for gateway in gateways.values():
            gateway.tape.writer.close()


def test_what_a_failed_robot_holds_at_a_gateway_that_is_away_is_sold_when_it_is_back(tmp_path):
    with both(tmp_path, Failing, on_error="flatten") as (robot, gateways):
        loop, second = robot.session.loop, robot.session.robot.orders_made[1]
        gateways["b"].fill(gateways["b"].order(second.id), 40, "USDT")
        robot.step()
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        gateways["a"].quote()
        robot.step()
        assert loop.halted and loop.working(B) == []
        robot.session.ask(BACK, {"account": "b", "gateway": 1})
        assert [(order.side, order.qty) for order in loop.working(B)] == [("sell", 0.04)]


def test_orders_to_a_gateway_that_is_away_halt_nothing(tmp_path):
    with both(tmp_path, Stubborn) as (robot, gateways):
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        gateways["a"].quote()
        robot.step()
        assert set(robot.session.robot.denied) == {4606} and not robot.session.loop.halted


def test_a_stop_stands_while_its_gateway_is_away(tmp_path):
    """And goes on with the price when that is back."""
    with both(tmp_path, Guarded) as (robot, gateways):
        entry, loop = robot.session.robot.entry, robot.session.loop
        gateway = gateways["b"]
        gateway.fill(gateway.order(entry.id), 10, "USDT")
        robot.step()
        (stop,) = entry.children
        gateway.order(stop.id, 10, Side.SELL)
        robot.step()
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        for price in range(610_000, 750_000, 10_000):
            gateway.quote(price)
            robot.step()
        assert entry.children == [stop] and stop.state == "ACCEPTED"
        robot.session.ask(BACK, {"account": "b", "gateway": 1})
        new = loop.working(B)[-1]
        assert (new.trigger, new.qty, stop.state) == (666_000 / 10, 0.01, "PENDING_CANCEL")


class Weighted(Strategy):
    symbols: list[str]
    wishes = ()

    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)

    def on_quote(self, quote):
        if quote.symbol == A and self.wishes:
            first, second = self.wishes
            self.set_weights({A: first, B: second}, of=60_000.0)
            self.wishes = ()


def test_what_grows_waits_for_a_reduction_that_a_gateway_away_has_not_taken(tmp_path):
    with both(tmp_path, Weighted) as (robot, gateways):
        loop, strategy = robot.session.loop, robot.session.robot

        def working(first, second):
            strategy.wishes = first, second
            gateways["a"].quote()
            robot.step()
            return [(order.symbol, order.side, order.qty) for order in loop.working(None)]

        gateways["b"].quote()
        robot.step()
        assert working(0.0, 0.01) == [(B, "buy", 0.009)]
        (entry,) = loop.working(None)
        gateways["b"].fill(gateways["b"].order(entry.id, 9), 9, "USDT")
        robot.step()
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        assert working(0.01, 0.0) == []
        robot.session.ask(BACK, {"account": "b", "gateway": 1})
        robot.step()
        assert [(order.symbol, order.side, order.qty) for order in loop.working(None)] == [(B, "sell", 0.009)]
        (out,) = loop.working(None)
        gateways["b"].fill(gateways["b"].order(out.id, 9, Side.SELL), 9, "USDT", Side.SELL)
        robot.step()
        assert [(order.symbol, order.side) for order in loop.working(None)] == [(A, "buy")]


MEMBER = """
from onetape import Strategy


class Steps(Strategy):
    symbol: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.set_target(self.symbol, 1 if quote.bid > 60_500 else 0)
"""


def test_a_portfolio_reaches_what_changed_while_a_gateway_was_away(tmp_path):
    (tmp_path / "members.py").write_text(MEMBER)
    section = f'strategy = "members.py:Steps"\nsymbols = ["{A}", "{B}"]\nlots = 0.01'
    (tmp_path / "p.toml").write_text(f"[portfolio]\n[portfolio.strategies.steps]\n{section}\n")
    with both(tmp_path, load_strategy(str(tmp_path / "p.toml"))) as (robot, gateways):
        loop = robot.session.loop
        gateways["b"].quote()
        robot.step()
        robot.session.ask(AWAY, {"account": "b", "gateway": 1})
        for price in (610_000, 610_010):
            gateways["b"].quote(price)
            robot.step()
        assert loop.working(None) == []
        robot.session.ask(BACK, {"account": "b", "gateway": 1})
        gateways["b"].quote(610_000)
        robot.step()
        assert [(order.symbol, order.side, order.qty) for order in loop.working(None)] == [(B, "buy", 0.01)]


class Barred(Strategy):
    symbols: list[str]

    def on_start(self):
        self.subscribe(B, bars="1m@venue")
        with pytest.raises(NotAvailable, match="does not receive its venue's own bars"):
            self.subscribe(A, bars="1m@venue")


def test_which_bars_of_its_own_a_venue_tells_is_asked_at_the_gateway_of_the_symbol(tmp_path):
    with both(tmp_path, Barred, bars=60 * 10**9) as (robot, _):
        assert robot.session.host.bars.live == {(B, 60 * 10**9): 0}


def test_accounts_of_one_robot_are_in_one_position_mode(tmp_path):
    gateways = {"a": Gateway(tmp_path, "a"), "b": Gateway(tmp_path, "b")}
    gateways["b"].hedge = True
    options = LiveOptions(strategy=Both, data=[], home=tmp_path, venues=VENUES, params={"symbols": [A, B]})
    try:
        with pytest.raises(BadConfig, match="a is in one-way mode, b is in hedge mode"):
            open_live(options, gateways)
    finally:
        for gateway in gateways.values():
            gateway.tape.writer.close()


class Remembering(Strategy):
    symbols: list[str]

    def on_start(self):
        self.memory["starts"] = self.memory.get("starts", 0) + 1


@pytest.mark.parametrize("accounts", ["ab", "ba"])
def test_a_robot_that_is_put_on_another_account_too_keeps_what_it_has(tmp_path, accounts):
    gateways = {"a": Gateway(tmp_path, "a"), "b": Gateway(tmp_path, "b")}
    options = LiveOptions(
        strategy=Remembering, data=[], home=tmp_path, params={"symbols": [A]}, robot="r", goes_on_since=1
    )
    first = {"a": gateways["a"]}
    robot = open_live(options, first)
    robot.step()
    robot.close(keep=True)
    try:
        options = replace(options, venues={each: VENUES[each] for each in accounts}, params={"symbols": [A, B]})
        both = {each: gateways[each] for each in accounts}
        before = earlier_of(options, both)
        assert before is not None and not before.continues
        robot = open_live(options, both, before)
        assert robot.session.robot.memory["starts"] == 2
        robot.close(keep=True)
        assert [gateways[each].settled for each in "ab"] == [1, 0]
    finally:
        for gateway in gateways.values():
            gateway.tape.writer.close()


def test_a_gateway_takes_what_is_asked_of_its_account():
    life = RobotLife(1, "pair", 1, "")
    life.symbols = {1: A, 2: B}
    assert life.trades(1) and life.trades(2)
    record = {"life": 1, "account": "a", "venue": "binance", "more": [{"account": "b", "venue": "aster"}]}
    life.sit(record, "b")
    assert (life.trades(1), life.trades(2), life.leads) == (False, True, False)
    life.sit(record, "a")
    assert (life.trades(1), life.trades(2), life.leads) == (True, False, True)
    life.sit({"strategy": "X", "params": {}}, "a")
    assert life.venue == "binance"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ('account = "a"\naccounts = ["a", "b"]', "both `account` and `accounts`"),
        ("", "missing key `account`"),
        ('accounts = ["a", "x"]', "no account `x`"),
        ('accounts = ["a", "a"]', "`a` and `a` are both of binance"),
        ('accounts = ["a", "c"]', "`a` and `c` are both of binance"),
        ('accounts = ["a", "b"]\nsubaccount = "s"', "account `a` has no sub-account `s`"),
    ],
)
def test_what_accounts_a_robot_may_name(key, words):
    with pytest.raises(BadConfig, match=words):
        parse_config(CONFIG.replace('accounts = ["a", "b"]', key) + BRIDGED)


def test_the_symbols_of_a_venue_behind_a_bridge_are_its_exchanges():
    config = parse_config(CONFIG.replace('accounts = ["a", "b"]', 'accounts = ["c", "b"]') + BRIDGED)
    assert traded_venues(config, config.robots["pair"]) == {"c": "binance", "b": "aster"}


def seen(run: Path) -> list[tuple[str, str]]:
    return [(each.command, each.fields["account"]) for each in commands_of(run / "journal")]


def kill_gateway(home: Home, name: str, run: Path, before: list[tuple[str, str]]) -> None:
    """One that is back before the robot has looked was not away."""
    away, back = (AWAY, name[-1]), (BACK, name[-1])
    home.kill(name, before_next=lambda: seen(run) == [*before, away])
    home.wait_for(lambda: seen(run) == [*before, away, back])


def test_the_pair_trades_live_on_two_venues_and_its_legs_are_a_slice_apart_at_most(tmp_path):
    """Through a kill of the robot and of a gateway; then it is repeated to the last action."""
    (tmp_path / PAIR.name).write_text(PAIR.read_text())
    (tmp_path / "busy.py").write_text(BUSY)
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        expected: list[tuple[str, str]] = []
        for name in KILLED:
            home.wait_for_trades(2)
            (run,) = (home.home / "runs").iterdir()
            if name.startswith("robot"):
                home.kill(name)
            else:
                kill_gateway(home, name, run, expected)
                expected = seen(run)
        home.wait_for_trades(2)
        home.run("down")
        fills = home.fills()
        apart, most = Decimal(0), Decimal(0)
        for fill in sorted(fills, key=lambda each: each["ts_event"]):
            apart += Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
            most = max(most, abs(apart))
        assert most == SLICE
        assert {fill["account"] for fill in fills} == {"a", "b"}
        assert seen(run) == expected
        assert replay_run(run, verify=True)["divergences"] == 0
        parts = attribution_of(run)
        rows = parts.summed("account")
        assert {row["account"] for row in rows} >= {"a", "b"}
        assert sum(money_units(Decimal(row["net"])) for row in rows) == parts.account

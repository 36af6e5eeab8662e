"""What a robot that is killed had under way goes on in its next life: parent orders with their start, deadline and
schedule, and targets that wait; never beyond the target, and what cannot go on is said."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from onetape import Strategy
from onetape.engine.loader import load_strategy
from onetape.engine.robot_commands import AWAY, BACK
from onetape.model import catalogue
from onetape.model.enums import OrderNews, OrderState, Side
from onetape.model.errors import InsufficientFunds
from onetape.orders.managed import NewsOut
from onetape.replay.replay import replay_run
from onetape.robot.earlier_run import earlier_of
from onetape.robot.live import open_live
from worlds.scripted_gateway import A, B, Robot
from worlds.supervised import Home
from worlds.tapes import records

MINUTE = 60 * 10**9


class Works(Strategy):
    """Sets its targets once, in its first life."""

    symbols: list[str]
    algo: str = "twap"
    wanted: float = 0.04

    def on_start(self):
        self.began = self.now
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True, trades=True)

    def on_quote(self, quote):
        if not self.resumed and not self.memory.get("set"):
            self.memory["set"] = True
            self.begin()

    def begin(self):
        options = {"minutes": 10, "spread": 0} if self.algo == "twap" else {}
        self.set_target(self.symbols[0], self.wanted, self.algo, clip=0.01, **options)


@pytest.mark.parametrize("restart", ["memory", "replay"])
def test_a_twap_goes_on_with_its_schedule_after_a_kill_and_ends_at_its_target(tmp_path, restart):
    with Robot(tmp_path, Works, restart=restart) as robot:
        assert robot.working() == [(A, "buy", 0.01)]
        robot.fill()
        robot.step(3 * MINUTE)  # the second of four clips is due
        assert robot.working() == [(A, "buy", 0.01)]
        (order,) = robot.loop.working(A)
        taken = robot.first.order(order.id, 10)
        robot.first.fill(taken, 4, "USDT")
        robot.kill(taken)
        assert robot.robot.resumed and robot.robot.position(A).qty == 0.014
        robot.step()
        assert robot.working() == [(A, "buy", 0.006)], "what the schedule had made due by then"
        (target,) = robot.said("goes on")
        robot.fill()
        robot.step(3 * MINUTE)
        assert robot.working() == [(A, "buy", 0.01)], "the third clip has its time of before"
        robot.fill()
        robot.step(5 * MINUTE)
        robot.fill()
        assert robot.robot.position(A).qty == 0.04 and robot.working() == []
        assert robot.said("done") == [target.replace("goes on", "").strip() + ": done"]
        robot.kill()
        robot.step(20 * MINUTE)
        assert robot.working() == [] and len(robot.said("goes on")) == 1, "it is over"
        folder = robot.run.folder
        robot.run.close(keep=True)
    assert replay_run(folder, verify=True)["divergences"] == 0


def test_a_deadline_that_passed_meanwhile_ends_it(tmp_path):
    """All that was left, at once and at any price, is nobody's wish."""
    with Robot(tmp_path, Works) as robot:
        robot.fill()
        robot.first.later += 60 * MINUTE
        robot.kill()
        robot.step(MINUTE)
        assert robot.working() == [] and len(robot.said("its deadline passed while no robot ran")) == 1


def test_an_order_that_has_been_kept_goes_on_as_the_parents_child(tmp_path):
    """And keeps its place; nothing beside it."""
    with Robot(tmp_path, Works, params={"algo": "join"}) as robot:
        (order,) = robot.loop.working(A)
        robot.first.order(order.id, 10, tag="join")
        robot.run.step()
        robot.kill()
        assert [each.id for each in robot.loop.working(A)] == [order.id]
        robot.fill()
        robot.step()
        assert robot.working() == [(A, "buy", 0.01)] and robot.loop.working(A)[0].id != order.id


class Sets(Works):
    def on_start(self):
        super().on_start()
        if self.resumed:
            self.set_target(self.symbols[0], -0.02)


def test_a_target_of_the_next_life_takes_its_place(tmp_path):
    with Robot(tmp_path, Sets) as robot:
        robot.fill()
        robot.kill()
        robot.step(20 * MINUTE)
        assert robot.working() == [(A, "sell", 0.03)]


def test_what_cannot_go_on_is_said(tmp_path):
    with Robot(tmp_path, Works, accounts="ab") as robot:
        robot.kill()
        assert robot.said("goes on") != []
        # Its symbol is traded no more.
        robot.run.close(keep=True)
        robot.options = replace(robot.options, venues={"b": "aster"}, params={"symbols": [B]})
        only = {"b": robot.gateways["b"]}
        before = earlier_of(robot.options, only)
        assert before is not None and not before.continues
        robot.run = open_live(robot.options, only, before)
        robot.loop = robot.run.session.loop
        robot.gateways["b"].quote()
        robot.run.step()
        assert ["binance:BTC/USDT:USDT is not in the data" in each for each in robot.said("does not go on")] == [True]
        assert robot.working() == []


class Weighted(Works):
    """B first, then A in its place."""

    def begin(self):
        self.set_target(B, 0.01)

    def on_fill(self, fill):
        if self.position(B).qty == 0.01 and not self.resumed:
            self.set_weights({A: 0.01, B: 0.0}, of=60_000.0)


def test_what_waits_for_a_reduction_waits_in_the_next_life_too(tmp_path):
    with Robot(tmp_path, Weighted, accounts="ab") as robot:
        robot.fill("b")
        assert robot.working() == [(B, "sell", 0.01)]
        robot.kill()
        robot.step()
        assert robot.working() == [(B, "sell", 0.01)], "what gets smaller first"
        robot.fill("b")
        assert robot.working() == [(A, "buy", 0.009)]
        robot.fill()
        robot.kill()
        robot.step()
        assert robot.working() == []


def test_a_target_that_waits_for_a_symbol_that_is_traded_no_more_does_not_go_on(tmp_path):
    with Robot(tmp_path, Weighted, accounts="ab") as robot:
        robot.fill("b")
        assert robot.working() == [(B, "sell", 0.01)]  # A waits for it
        robot.run.close(keep=True)
        robot.options = replace(robot.options, venues={"b": "aster"}, params={"symbols": [B]})
        only = {"b": robot.gateways["b"]}
        robot.run = open_live(robot.options, only, earlier_of(robot.options, only))
        said = [each for each in robot.said("does not go on") if A in each]
        assert ["is not in the data" in each for each in said] == [True]


def test_a_gateway_that_is_away_ends_no_parent(tmp_path):
    """However often its child is denied; and what was denied without one is said when it is back, what grows too."""

    class Away(Works):
        def begin(self):
            super().begin()
            self.set_weights({B: 0.01}, of=60_000.0)

    with Robot(tmp_path, Away, accounts="ab") as robot:
        away = {"account": "a", "gateway": 0}, {"account": "b", "gateway": 1}
        robot.fill()
        robot.fill("b")
        for fields in away:
            robot.run.session.ask(AWAY, fields)
        robot.robot.set_weights({B: 0.02}, of=60_000.0)
        robot.run.session.loop.leave_callback()
        robot.step(3 * MINUTE)
        robot.step(3 * MINUTE)
        assert robot.working() == []
        assert robot.said("refused") == []
        for fields in away:
            robot.run.session.ask(BACK, fields)
        assert sorted(robot.working()) == [(B, "buy", 0.01), (A, "buy", 0.02)]


def ended(robot, order, news=OrderNews.CANCELED, code=0):
    """What the gateway says of an order that ends."""
    gateway, accepts = robot.first, news is OrderNews.CANCELED
    state = OrderState.CANCELED if accepts else OrderState.DENIED
    side = Side.BUY if order.side == "buy" else Side.SELL
    managed = gateway.order(order.id, order.qty_int, side, accepts=accepts)
    gateway.tape.write(NewsOut(managed, news, state, gateway.later, code), gateway.later)
    robot.run.step()


def away_and_back(robot):
    fields = {"account": "a", "gateway": 0}
    for command in (AWAY, BACK):
        robot.run.session.ask(command, fields)
        robot.step()


class Takes(Works):
    """Weighted, and then what the test says once."""

    does = None
    weight: float = 0.01

    def begin(self):
        self.set_weights({A: self.weight}, of=60_000.0)

    def on_quote(self, quote):
        super().on_quote(quote)
        does, self.does = self.does, None
        if does is not None:
            does(self)


TAKEN_BACK = {
    "close": lambda strategy: strategy.close(A),
    "cancel_all": lambda strategy: strategy.cancel_all(),
    "cancel": lambda strategy: strategy.cancel(strategy.orders(A)[0]),
}


@pytest.mark.parametrize("how", TAKEN_BACK)
@pytest.mark.parametrize("then", ["away", "kill"])
def test_what_the_strategy_takes_back_is_wanted_no_more(tmp_path, how, then):
    with Robot(tmp_path, Takes) as robot:
        (order,) = robot.loop.working(A)
        robot.robot.does = TAKEN_BACK[how]
        robot.step()
        ended(robot, order)
        away_and_back(robot) if then == "away" else robot.kill()
        robot.step()
        assert robot.working() == []


@pytest.mark.parametrize("how", TAKEN_BACK)
def test_a_parent_ends_with_its_order_or_position(tmp_path, how):
    class Ends(Takes):
        begin = Works.begin

    with Robot(tmp_path, Ends) as robot:
        (order,) = robot.loop.working(A)
        robot.robot.does = TAKEN_BACK[how]
        robot.step()
        ended(robot, order)
        robot.step(20 * MINUTE)
        assert robot.working() == []


def test_only_what_a_gateway_that_was_away_refused_is_said_once_more(tmp_path):
    with Robot(tmp_path, Takes) as robot:
        ended(robot, robot.loop.working(A)[0], OrderNews.DENIED, InsufficientFunds.code)
        robot.step(60 * MINUTE)
        away_and_back(robot)
        assert robot.working() == []


def test_an_order_of_the_target_before_is_no_child_of_the_next(tmp_path):
    class Turns(Takes):
        algo = "join"
        begin = Works.begin

    with Robot(tmp_path, Turns) as robot:
        (order,) = robot.loop.working(A)
        robot.first.order(order.id, 10, tag="join")
        robot.run.step()
        robot.robot.does = lambda strategy: strategy.set_target(A, -0.02, "join")
        robot.step()
        robot.kill()
        robot.step(MINUTE)
        requests = [each.data["kind"] for each in records(robot.run.folder / "journal", "order_request")]
        assert "amend" not in requests
        assert [each.side for each in robot.loop.working(A)] == ["buy"], "what is withdrawn is waited for"


class Another(Strategy):
    symbols: list[str]

    def on_start(self):
        self.subscribe(A, quotes=True)


@pytest.mark.parametrize(
    ("accounts", "change", "said"),
    [
        ("a", {"strategy": Another, "strategy_named": "other"}, "belongs to the strategy test_parent_restarts.py"),
        ("a", {"strategy": "file.py:Works"}, "belongs to the strategy test_parent_restarts.py"),
        ("ac", {"venues": {"c": "binance", "a": "binance@a"}}, "it belongs to account a, not c"),
    ],
)
def test_what_is_of_another_strategy_or_account_does_not_go_on(tmp_path, accounts, change, said):
    if "file" in str(change.get("strategy")):  # a class of the same name
        (tmp_path / "file.py").write_text("from test_parent_restarts import Another\n\n\nclass Works(Another): ...\n")
        change = {"strategy": load_strategy(f"{tmp_path / 'file.py'}:Works")}
    with Robot(tmp_path, Works, accounts=accounts) as robot:
        robot.run.close(keep=True)
        robot.options = replace(robot.options, **change)
        gateways = {each: robot.gateways[each] for each in reversed(accounts)}
        robot.now = max(each.later for each in gateways.values()) + 1
        for each in gateways.values():
            each.quote()
        robot.run = open_live(robot.options, gateways, earlier_of(robot.options, gateways))
        robot.loop = robot.run.session.loop
        robot.step()
        robot.step(20 * MINUTE)
        assert robot.working() == [] and said in robot.said("does not go on")[0]


def test_what_was_flattened_is_not_bought_in_the_next_life(tmp_path):
    class Fails(Works):
        def on_fill(self, fill):
            raise ValueError("boom")

    with Robot(tmp_path, Fails, on_error="flatten") as robot:
        robot.fill()
        robot.step()
        robot.fill()
        assert robot.robot.position(A).qty == 0 and robot.run.session.loop.halted
        robot.run.close(keep=True)
        robot.begin()
        robot.step(5 * MINUTE)
        assert robot.working() == [] and robot.said("goes on") == []


def test_a_target_of_on_start_is_not_taken_for_one_of_the_life_before(tmp_path):
    """Its order works on: it is not canceled and sent once more."""

    class Starts(Works):
        def on_start(self):
            super().on_start()
            if self.resumed:
                self.set_weights({A: 0.01}, of=60_000.0)

        def begin(self):
            self.set_weights({B: 0.01}, of=60_000.0)

    with Robot(tmp_path, Starts, accounts="ab") as robot:
        robot.kill()
        robot.step()
        requests = [each.data for each in records(robot.run.folder / "journal", "order_request")]
        assert [each["kind"] for each in requests if each["price"] and each["side"] == "buy"].count("cancel") == 0
        assert sorted(robot.working()) == [(B, "buy", 0.009), (A, "buy", 0.009)]


MEMBERS = """
from onetape import Strategy


class Steps(Strategy):
    symbol: str = ""
    level: float = 1.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if not self.resumed:
            self.set_target(self.symbol, self.level)
"""


@pytest.mark.parametrize("algo", ["touch", "join"])
def test_members_of_a_portfolio_get_what_they_lacked_before_the_kill(tmp_path, algo):
    (tmp_path / "members.py").write_text(MEMBERS)
    section = f'strategy = "members.py:Steps"\nsymbols = ["{A}"]\nlots = 0.01\nparams = {{ level = [1.0, 2.0] }}'
    (tmp_path / "p.toml").write_text(f'[portfolio]\n[portfolio.strategies.steps]\n{section}\nalgo = "{algo}"\n')
    kind = load_strategy(str(tmp_path / "p.toml"))
    with Robot(tmp_path, kind) as robot:
        robot.options.params.clear()
        (order,) = robot.loop.working(A)
        assert order.qty == 0.03
        taken = robot.first.order(order.id, 30)
        robot.first.fill(taken, 9, "USDT")
        robot.run.step()
        robot.kill(taken)
        robot.step()
        assert robot.working() == [(A, "buy", 0.021)]
        robot.fill()
        held = [each.position(A).qty for each in robot.run.session.host.children]
        assert held == [0.01, 0.02] and robot.working() == []


TWAP = """
from onetape import Strategy


class Twap(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if not self.memory.get("set"):
            self.memory["set"] = True
            self.set_target(self.symbol, 0.05, "twap", minutes=0.1, clip=0.01)
"""
CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[robots.twap]
strategy = "twap.py"
account = "main"
"""


def test_a_parent_goes_on_in_another_process_to_its_target_and_never_beyond(tmp_path):
    """Killed in the middle; then the run is repeated to the last action."""
    (tmp_path / "twap.py").write_text(TWAP)
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        home.wait_for(home.fills)
        home.kill("robot:twap")
        (run,) = (home.home / "runs").iterdir()

        def ended() -> list[str]:
            return [text for each in records(run / "journal", "log") if "done" in (text := each.data["text"])]

        home.wait_for(ended)
        home.run("down")
        held = sum(Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1) for fill in home.fills())
        assert held == Decimal("0.05") and {fill["side"] for fill in home.fills()} == {"buy"}
        (target,) = records(run / "journal", "target")
        requests = [each.data for each in records(run / "journal", "order_request")]
        orders = [each["more"]["target"] for each in requests if "more" in each]
        assert set(orders) == {target.data["id"]}
        assert sum("goes on" in each.data["text"] for each in records(run / "journal", "log")) == 1
        assert replay_run(run, verify=True)["divergences"] == 0


class Twice(Works):
    def on_quote(self, quote):
        super().on_quote(quote)
        if self.now > self.began + MINUTE and not self.memory.get("twice"):
            self.memory["twice"] = True
            self.set_target(self.symbols[0], -0.02, "join")


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_cancel_that_the_venue_refuses_is_asked_for_once_more_with_a_brake(tmp_path, is_killed):
    """The next target waits for the order of the one before, and nobody else cancels it."""

    def cancels() -> int:
        return sum(each.data["kind"] == "cancel" for each in records(robot.run.folder / "journal", "order_request"))

    def refuse() -> None:
        news = NewsOut(taken, OrderNews.CANCEL_REJECTED, OrderState.ACCEPTED, robot.first.later, 1, "busy")
        robot.first.tape.write(news, robot.first.later)
        robot.run.step()

    with Robot(tmp_path, Twice, params={"algo": "join"}) as robot:
        (order,) = robot.loop.working(A)
        taken = robot.first.order(order.id, 10, tag="join")
        robot.step(2 * MINUTE)
        assert cancels() == 1
        refuse()
        if is_killed:
            robot.kill()
        for tries in range(2, 9):
            robot.step(5 * MINUTE)
            assert cancels() == tries, "one for each refusal"
            refuse()
            robot.run.step()
            assert cancels() == tries, "not at once"
        robot.step(5 * MINUTE)
        news = NewsOut(taken, OrderNews.CANCELED, OrderState.CANCELED, robot.first.later)
        robot.first.tape.write(news, robot.first.later)
        robot.step()
        assert robot.working() == [(A, "sell", 0.02)]
        assert len(robot.said("is not canceled")) == 1


class Rolls(Strategy):
    symbols: list[str]

    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)
        self.roll(self.symbols, "1h")

    def on_quote(self, quote):
        if not self.memory.get("set"):
            self.memory["set"] = True
            self.set_target(self.symbols[0], 0.01)


def test_a_roll_is_done_once_whenever_its_robot_is_killed(tmp_path, monkeypatch):
    find = catalogue.find

    def dated(symbol):
        found = find(symbol)
        ends = time.time_ns() + 4 * 60 * MINUTE
        return structs.replace(found, perpetual=False, expiry=ends, funding_interval=0) if symbol == A else found

    monkeypatch.setattr(catalogue, "find", dated)
    with Robot(tmp_path, Rolls, accounts="ab") as robot:
        robot.fill()
        robot.kill()
        robot.step()
        assert robot.working() == [], "its time is not yet"
        robot.step(150 * MINUTE)
        assert robot.working() == [(A, "sell", 0.01)]
        robot.kill()
        robot.step()
        assert robot.working() == [(A, "sell", 0.01)], "out of the one first"
        robot.fill()
        robot.step()
        assert robot.working() == [(B, "buy", 0.01)]
        robot.kill()
        robot.step()
        assert robot.working() == [(B, "buy", 0.01)]
        robot.fill("b")
        robot.kill()
        robot.step()
        assert robot.working() == [] and [robot.robot.position(each).qty for each in (A, B)] == [0, 0.01]


class Reweighs(Strategy):
    symbols: list[str]

    def on_start(self):
        self.subscribe(A, quotes=True)
        self.weight, self.algo = 0.04, {}

    def on_quote(self, quote):
        if self.weight is not None:
            self.set_weights({A: self.weight}, of=60_000.0, **self.algo)
            self.weight = None


def test_a_weight_that_grows_takes_the_place_of_the_reduction_that_works_for_its_symbol(tmp_path):
    with Robot(tmp_path, Reweighs) as robot:
        robot.fill()
        robot.robot.weight, robot.robot.algo = 0.01, {"algo": "join", "minutes": 5}
        robot.step()
        assert [(side, qty) for _, side, qty in robot.working()] == [("sell", 0.03)]
        robot.robot.weight = 0.05
        robot.step()
        (order,) = robot.loop.working(A)
        assert order.state == "PENDING_CANCEL"
        gateway = robot.first
        taken = gateway.order(order.id, order.qty_int, Side.SELL)
        news = NewsOut(taken, OrderNews.CANCELED, OrderState.CANCELED, gateway.later)
        gateway.tape.write(news, gateway.later)
        robot.run.step()
        assert [side for _, side, _ in robot.working()] == ["buy"]

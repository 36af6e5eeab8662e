"""One robot on several accounts of one exchange: a target is divided among them, no order of one meets another's, and
the whole is the sum of its parts."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

from onetape import Strategy
from onetape.accounts.entries import Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.model.enums import OrderNews, OrderState, Side
from onetape.model.errors import BadConfig, NotAvailable, PositionLimit, StrategyError
from onetape.model.money import money_units
from onetape.orders.managed import NewsOut
from onetape.replay.replay import replay_run
from onetape.robot.live import open_live
from onetape.runs.attribution import attribution_of
from worlds.scripted_gateway import UNIT, A, Robot
from worlds.supervised import TWO_ACCOUNTS, Home
from worlds.tapes import SECOND, records

C = "binance@c:BTC/USDT:USDT"


class Divides(Strategy):
    symbols: list[str]
    wanted: float = 0.04

    def on_start(self):
        self.subscribe(A, quotes=True)
        self.is_set = self.resumed

    def on_quote(self, quote):
        if not self.is_set:
            self.is_set = True
            self.set_target(A, self.wanted, account="*")

    def set_next(self, wanted):
        """At the next quote."""
        self.is_set, self.wanted = False, wanted


def both(tmp_path, kind=Divides):
    return Robot(tmp_path, kind, accounts="ac")


def closed(robot, account, order, news=OrderNews.CANCELED, code=0):
    """What the gateway says of an order that ends."""
    gateway = robot.gateways[account]
    state = OrderState.CANCELED if news is OrderNews.CANCELED else OrderState.DENIED
    managed = gateway.order(order.id, order.qty_int, accepts=news is OrderNews.CANCELED)
    gateway.tape.write(NewsOut(managed, news, state, gateway.later, code), gateway.later)
    robot.run.step()


def test_a_target_is_divided_by_the_free_money_and_its_parts_are_the_whole(tmp_path):
    with both(tmp_path) as robot:
        assert robot.working() == [(A, "buy", 0.014), (C, "buy", 0.014)]
        (words,) = robot.said("no account has room")  # 1000 USDT each, of which 90 % back what is bought
        assert words.startswith("no account has room for 0.012")
        robot.robot.set_next(0.012)
        robot.step()
        for account, symbol in (("a", A), ("c", C)):
            (order,) = robot.loop.working(symbol)
            closed(robot, account, order)
        assert robot.working() == [(A, "buy", 0.006), (C, "buy", 0.006)]
        for account in "ac":
            robot.fill(account)
        strategy = robot.robot
        assert [strategy.position(A, account=each).qty for each in "ac"] == [0.006, 0.006]
        assert strategy.position(C).qty == 0.006


def test_a_turn_waits_for_what_works_on_the_other_side_and_never_meets_it(tmp_path):
    with both(tmp_path) as robot:
        robot.robot.set_next(-0.004)
        robot.fill("a")
        assert robot.robot.position(A).qty == 0.014
        robot.step()
        assert robot.working() == [(C, "buy", 0.014)], "it is canceled first"
        order = robot.loop.working(C)[0]
        assert order.state == "PENDING_CANCEL"
        robot.gateways["c"].fill(robot.gateways["c"].order(order.id, 14), 3, "USDT")
        closed(robot, "c", order)
        sides = {side for _, side, _ in robot.working()}
        assert sides == {"sell"} and sum(qty for *_, qty in robot.working()) == pytest.approx(0.021)


@pytest.mark.parametrize("account", ["*", None])
def test_a_target_waits_for_what_an_earlier_one_still_waits_for(tmp_path, account):
    with both(tmp_path) as robot:
        working = {each: robot.loop.working(symbol)[0] for each, symbol in (("a", A), ("c", C))}
        for wanted in (0.012, 0.010):  # both before anything is known to be gone
            robot.robot.set_next(wanted)
            robot.step()
        if account is None:
            robot.robot.set_target(A, 0.002)
            robot.loop.leave_callback()
            robot.step()
        assert {order.id for order in robot.loop.working(None)} == {order.id for order in working.values()}
        for name, order in working.items():
            closed(robot, name, order)
        wanted = {A: 0.005, C: 0.005} if account else {A: 0.002}
        assert {symbol: qty for symbol, _, qty in robot.working()} == wanted


def test_an_account_without_room_gives_its_part_to_the_others(tmp_path):
    with both(tmp_path) as robot:
        robot.robot.set_next(0.008)
        robot.step()
        for account, symbol in (("a", A), ("c", C)):
            closed(robot, account, robot.loop.working(symbol)[0])
        assert robot.working() == [(A, "buy", 0.004), (C, "buy", 0.004)]
        robot.fill("a")
        closed(robot, "c", robot.loop.working(C)[0], OrderNews.DENIED, PositionLimit.code)
        assert robot.working() == [(A, "buy", 0.004)]
        assert len(robot.said("has not enough money on binance@c")) == 1


class Timed(Divides):
    def on_quote(self, quote):
        if not self.is_set:
            self.is_set = True
            self.set_target(A, self.wanted, "twap", minutes=1, account="*")


def test_a_deadline_that_passes_before_parts_can_begin_takes_what_is_left(tmp_path):
    with both(tmp_path, Timed) as robot:
        robot.robot.set_next(-0.004)
        robot.step(60 * SECOND)
        robot.step(70 * SECOND)
        orders = {account: robot.loop.working(symbol) for account, symbol in (("a", A), ("c", C))}
        for account, each in orders.items():
            for order in each:
                closed(robot, account, order)
        assert not robot.run.session.host.failures
        assert {side for _, side, _ in robot.working()} == {"sell"}
        assert sum(qty for *_, qty in robot.working()) == pytest.approx(0.004)


class Crossed(Strategy):
    symbols: list[str]
    is_closing: bool = False

    def on_start(self):
        self.subscribe(A, quotes=True)
        self.buy(A, 0.01)
        self.entry = None

    def on_quote(self, quote):
        if self.position(A).qty and self.entry is None:
            self.entry = self.sell(A, 0.01, account="c")
        if self.position(C).qty and not self.is_closing:
            self.is_closing = True
            self.close(A)


def test_close_flattens_each_account_though_their_sum_is_nothing(tmp_path):
    with both(tmp_path, Crossed) as robot:
        robot.fill("a")
        robot.step()
        robot.fill("c")
        robot.step()
        assert robot.working() == [(A, "sell", 0.01)], "the other one could meet it"
        robot.fill("a")
        robot.step(SECOND)
        assert robot.working() == [(C, "buy", 0.01)]


class Meets(Strategy):
    symbols: list[str]

    def on_start(self):
        self.first = self.sell(A, 0.01, 60_100.0)
        self.met = self.buy(A, 0.01, 60_100.0, account="c")
        self.passes = self.buy(A, 0.01, 60_000.0, account="c")
        self.changed = self.amend(self.passes, price=60_200.0)
        with pytest.raises(NotAvailable, match="ladders beside another account"):
            self.set_quotes(A, [(60_000.0, 0.01)], [])


def test_an_order_that_could_meet_one_of_another_account_is_denied(tmp_path):
    with both(tmp_path, Meets) as robot:
        strategy = robot.robot
        assert (strategy.met.state, strategy.met.reason[:9]) == ("DENIED", "own order")
        assert strategy.met.symbol == C
        assert (strategy.passes.state, strategy.changed) == ("SUBMITTED", False)


class Apart(Strategy):
    symbols: list[str]

    def on_start(self):
        self.subscribe(A, quotes=True)
        self.resting = self.buy(A, 0.01, 30_000.0)
        self.stop = self.sell(A, 0.01, trigger=50_000, kind="stop")
        self.passes = self.sell(A, 0.01, account="c"), self.buy(A, 0.01, 60_000.0, account="c")


def test_what_cannot_meet_is_not_denied(tmp_path):
    """A price far from the market, and a stop that waits."""
    with both(tmp_path, Apart) as robot:
        assert {each.state for each in robot.robot.passes} == {"SUBMITTED"}


class Follows(Strategy):
    symbols: list[str]

    def on_start(self):
        self.subscribe(A, quotes=True)
        self.sell(A, 0.01, 60_020.0, account="c")
        self.set_target(A, 0.01, "touch", account="a")


def test_an_algorithm_moves_no_order_to_where_it_could_meet_one(tmp_path):
    with both(tmp_path, Follows) as robot:
        for account, symbol, side in (("a", A, Side.BUY), ("c", C, Side.SELL)):
            (order,) = robot.loop.working(symbol)
            robot.gateways[account].order(order.id, order.qty_int, side)
        robot.run.step()
        for gateway in robot.gateways.values():
            gateway.quote(600_190)
        robot.run.step()
        requests = [each.data["kind"] for each in records(robot.run.folder / "journal", "order_request")]
        assert requests == ["place", "place", "cancel"]


@pytest.mark.parametrize("options", [{"minuts": 1}, {"deadline": 5}])
def test_bad_options_withdraw_nothing(tmp_path, options):
    class Wrong(Divides):
        def on_timer(self, name):
            with pytest.raises(StrategyError):
                self.set_target(A, -0.01, "twap", **options, account="*")
            with pytest.raises(StrategyError):
                self.set_target(A, -0.01, "twap", **options)
            self.is_tried = True

    with both(tmp_path, Wrong) as robot:
        robot.robot.set_timer("t", at=robot.robot.now + SECOND)
        robot.run.session.loop.leave_callback()
        robot.step(2 * SECOND)
        assert robot.robot.is_tried and {order.state for order in robot.loop.working(None)} == {"SUBMITTED"}


class Kid(Divides):
    def on_start(self):
        super().on_start()
        self.heard = []

    def on_fill(self, fill):
        self.heard.append(fill.symbol)


class Parent(Strategy):
    symbols: list[str]

    def on_start(self):
        self.kid = self.child(Kid, "kid", symbols=self.symbols)


def test_a_child_hears_of_all_accounts_at_its_exchange(tmp_path):
    with both(tmp_path, Parent) as robot:
        for account in "ac":
            robot.fill(account)
        assert robot.robot.kid.heard == [A, C]


def test_two_accounts_of_one_exchange_in_hedge_mode_are_refused(tmp_path):
    robot = both(tmp_path)
    for gateway in robot.gateways.values():
        gateway.hedge = True
    try:
        with pytest.raises(BadConfig, match="two accounts of binance cannot both be in hedge mode"):
            open_live(robot.options, robot.gateways)
    finally:
        for gateway in robot.gateways.values():
            gateway.tape.writer.close()


def test_parts_go_on_after_a_kill(tmp_path):
    with both(tmp_path) as robot:
        orders = {each: robot.loop.working(symbol)[0] for each, symbol in (("a", A), ("c", C))}
        robot.fill("a")
        taken = robot.gateways["c"].order(orders["c"].id, 14)
        robot.gateways["c"].fill(taken, 3, "USDT")
        news = NewsOut(taken, OrderNews.CANCELED, OrderState.CANCELED, robot.gateways["c"].later)
        robot.gateways["c"].tape.write(news, robot.gateways["c"].later)
        robot.kill()
        robot.step()
        assert robot.working() == [(C, "buy", 0.011)]


def test_funding_of_an_account_is_of_its_own_symbol_in_the_attribution(tmp_path):
    with both(tmp_path) as robot:
        for account in "ac":
            robot.fill(account)
        gateway = robot.gateways["c"]
        legs = (Leg(2, "USDT", 5 * UNIT), Leg(Outside.FUNDING, "USDT", -5 * UNIT))
        entry = Entry(gateway.later, Cause.FUNDING, legs, note=A)
        gateway.tape.writer.append("entry", pack(entry), stream=0, time=gateway.later)
        robot.step()
        robot.run.close(keep=True)
        rows = {row["symbol"]: row for row in attribution_of(robot.run.folder).summed("symbol")}
        assert (rows[A]["funding"], rows[C]["funding"]) == ("0", "5")


TWICE = """
from onetape import Strategy


class Turns(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    every: int = 8
    turns: int = 6  # of the second life: the first one turns until it is killed; the last one is to long

    def on_start(self):
        self.seen = self.turned = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.seen += 1
        turn = self.memory.get("turn", 0)
        if self.seen % self.every or (self.turned >= self.turns and not turn % 2):
            return
        wanted = 0.05 if turn % 2 else -0.05
        both = (self.symbol, self.symbol.replace(":", "@second:", 1))
        if abs(sum(self.position(each).qty for each in both) - wanted) < 0.0016:  # the least notional is 100 USDT
            self.memory["turn"] = turn + 1
            self.turned += self.resumed
        else:  # what is on its way counts
            self.set_target(self.symbol, wanted, account="*")
"""
CONFIG = (
    TWO_ACCOUNTS
    + """\
[robots.turns]
strategy = "turns.py"
accounts = ["main", "second"]
"""
)


def test_two_accounts_of_one_exchange_trade_through_a_kill_and_add_up(tmp_path):
    (tmp_path / "turns.py").write_text(TWICE)
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        home.wait_for_trades(2)
        home.kill("robot:turns")

        def held() -> dict[str, Decimal]:
            found: dict[str, Decimal] = defaultdict(Decimal)
            for fill in home.fills():
                found[fill["account"]] += Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
            return found

        reached = (Decimal("0.049"), Decimal("0.05"))  # a market order may leave a rest too small for another order
        home.wait_for(lambda: sum(held().values()) in reached and not home.run("orders"))
        (run,) = (home.home / "runs").iterdir()
        home.run("down")
        assert held().keys() == {"main", "second"} and all(held().values())
        trades = [each.data["trade_id"] for each in records(run / "journal", "fill")]
        assert len(trades) == len(set(trades)) == len(home.fills()), "no trade has an account on each side"
        assert replay_run(run, verify=True)["divergences"] == 0
        parts = attribution_of(run)
        rows = parts.summed("account")
        assert {row["account"] for row in rows} >= {"main", "second"}
        assert sum(money_units(Decimal(row["net"])) for row in rows) == parts.account
        symbols = {each.data["symbol"] for each in records(run / "journal", "instrument")}
        assert symbols == {A, A.replace(":", "@second:", 1)}

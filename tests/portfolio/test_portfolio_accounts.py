"""A portfolio on several accounts of one exchange: members want a symbol, and their targets are divided among them."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

from onetape.engine.loader import load_strategy
from onetape.model.config import parse_config
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import BadConfig, NotAvailable, PositionLimit
from onetape.model.home import gateway_journal
from onetape.model.money import money_units
from onetape.orders.managed import NewsOut
from onetape.portfolio.netting import UNOWNED, SharedPosition
from onetape.replay.replay import replay_run
from onetape.runs.attribution import attribution_of
from portfolio.test_portfolio_live import MEMBERS, done, held_by
from worlds.scripted_gateway import A, Robot
from worlds.supervised import TWO_ACCOUNTS, Home
from worlds.tapes import SECOND, records

C = "binance@c:BTC/USDT:USDT"
SAYS = """
from onetape import Strategy


class Says(Strategy):
    symbol: str = ""
    wanted: float = 0.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.heard = []

    def on_quote(self, quote):
        if self.wanted is not None:
            self.set_target(self.symbol, self.wanted)
            self.wanted = None

    def on_fill(self, fill):
        self.heard.append((fill.symbol, fill.side, fill.qty))
"""
PORTFOLIO = f"""
[portfolio]
[portfolio.strategies.says]
strategy = "says.py:Says"
symbols = ["{A}"]
params = {{ wanted = [0.012, 0.004] }}
"""


@pytest.fixture
def portfolio(tmp_path):
    (tmp_path / "says.py").write_text(SAYS)
    (tmp_path / "book.toml").write_text(PORTFOLIO)
    with Robot(tmp_path, load_strategy(str(tmp_path / "book.toml")), accounts="ac") as robot:
        yield robot


def members(robot):
    return robot.robot._children


def held(robot):
    return [member.position(A).qty for member in members(robot)]


def canceled(robot, account, *, steps=True):
    """What works on the account is gone. steps: and the robot hears of it."""
    gateway = robot.gateways[account]
    (order,) = robot.loop.working(C if account == "c" else A)
    managed = gateway.order(order.id, order.qty_int)
    gateway.tape.write(NewsOut(managed, OrderNews.CANCELED, OrderState.CANCELED, gateway.later), gateway.later)
    if steps:
        robot.run.step()


def test_what_members_want_is_divided_and_each_fill_has_its_owners(portfolio):
    assert portfolio.working() == [(A, "buy", 0.008), (C, "buy", 0.008)]
    portfolio.fill("a")
    assert held(portfolio) == pytest.approx([0.006, 0.002])
    portfolio.fill("c")
    assert held(portfolio) == pytest.approx([0.012, 0.004])
    first, _ = members(portfolio)
    assert {symbol for symbol, *_ in first.heard} == {A}, "a member knows its own symbol alone"
    said = [each.data["fields"] for each in records(portfolio.run.folder / "journal", "log")]
    parts = defaultdict(Decimal)
    for each in said:
        if each.get("fill"):
            parts[each["symbol"]] += Decimal(each["qty"])
    assert parts == {A: Decimal("0.008"), C: Decimal("0.008")}, "the tape says on which account"


def test_a_later_wish_waits_for_the_parts_of_the_one_before(portfolio):
    portfolio.fill("a")
    members(portfolio)[0].wanted = -0.004
    portfolio.step()
    assert portfolio.working() == [(C, "buy", 0.008)], "it is canceled first"
    canceled(portfolio, "c")
    assert held(portfolio) == pytest.approx([0.004, 0.004]), "what they want of each other never reaches the venue"
    assert {side for _, side, _ in portfolio.working()} == {"sell"}
    portfolio.fill("a")
    assert sum(held(portfolio)) == pytest.approx(0.0) and held(portfolio) == pytest.approx([-0.004, 0.004])


def test_a_wish_is_reached_where_one_account_has_no_room(portfolio):
    gateway = portfolio.gateways["c"]
    (order,) = portfolio.loop.working(C)
    managed = gateway.order(order.id, order.qty_int, accepts=False)
    denied = NewsOut(managed, OrderNews.DENIED, OrderState.DENIED, gateway.later, PositionLimit.code)
    gateway.tape.write(denied, gateway.later)
    portfolio.run.step()
    assert [each.state for each in portfolio.loop.working(A)] == ["PENDING_CANCEL"], "the whole is divided anew"
    canceled(portfolio, "a")
    assert portfolio.working()[0][:2] == (A, "buy")
    portfolio.fill("a")
    assert sum(held(portfolio)) == pytest.approx(portfolio.robot.position(A).qty)


def test_wishes_go_on_after_a_kill(portfolio):
    portfolio.fill("a")
    canceled(portfolio, "c", steps=False)
    portfolio.kill()
    for member in members(portfolio):
        member.wanted = None
    portfolio.step(SECOND)
    assert portfolio.working() == [(C, "buy", 0.008)]
    assert held(portfolio) == pytest.approx([0.006, 0.002])
    portfolio.fill("c")
    assert held(portfolio) == pytest.approx([0.012, 0.004])
    assert not portfolio.said("belong to no member")


def test_a_member_has_no_single_account(portfolio):
    first, _ = members(portfolio)
    with pytest.raises(NotAvailable, match="a target of a portfolio member on a single account"):
        first.set_target(A, 1.0, account="a")
    with pytest.raises(NotAvailable, match="the position of a portfolio member"):
        first.position(A, account="a")
    assert first.set_target(A, 1.0, account="*") is None


def test_a_contract_is_settled_account_by_account_to_those_who_held():
    shared = SharedPosition(1)
    shared.held, shared.wanted = {0: 5, 1: -3, 2: 4}, {0: 5, 1: -3, 2: 4}
    first = shared.settle(-4)
    assert sum(first.values()) == -4 and first.keys() == {0, 2}
    assert shared.net == 2 and not shared.missing(1) and not shared.missing(-1)
    assert sum(shared.settle(-2).values()) == -2
    assert not any(shared.held.values())
    shared.held = {0: 2}
    assert shared.settle(3) == {UNOWNED: 3}, "no member held on that side"


CONFIG = (
    TWO_ACCOUNTS
    + """\
[portfolio]
accounts = ["main", "second"]
[portfolio.strategies.turns]
strategy = "members.py:Turns"
symbols = ["binance:BTC/USDT:USDT"]
params = { every = [5, 7] }
lots = 0.01
"""
)


def test_a_portfolio_on_two_accounts_of_one_exchange_adds_up_through_kills(tmp_path):
    trades_and_adds_up(tmp_path, CONFIG)


HUB = """
[collectors.m]
kind = "venue"
venue = "x"
symbols = ["binance:BTC/USDT:USDT"]
[hub]
"""


def test_the_same_with_the_market_of_a_hub(tmp_path):
    trades_and_adds_up(tmp_path, CONFIG + HUB)
    for account in ("main", "second"):
        assert not records(gateway_journal(tmp_path / ".onetape", account), "quote", "trade")


def trades_and_adds_up(tmp_path, config):
    """One gateway and the robot are killed in between."""
    (tmp_path / "members.py").write_text(MEMBERS)
    with Home(tmp_path, config) as home:
        home.run("up")
        for name in ("gateway:second", "robot:portfolio"):
            home.wait_for_trades(2)
            home.kill(name)
        (run,) = (home.home / "runs").iterdir()
        home.wait_for(lambda: done(run / "journal") == 2)
        wanted = {A: Decimal("0.02")}
        home.wait_for(lambda: held_by(home) == wanted and not home.run("orders"))
        home.run("down")
        said = [each.data["fields"] for each in records(run / "journal", "log")]
        parts = defaultdict(Decimal)
        for each in said:
            if "realized" in each:  # by the last life, as it ended
                parts[each["symbol"]] += Decimal(each["qty"])
        assert parts == wanted
        fills = home.fills()
        assert {each["account"] for each in fills} == {"main", "second"}
        trades = [each.data["trade_id"] for each in records(run / "journal", "fill")]
        assert len(trades) == len(set(trades)) == len(fills), "no trade has an account on each side"
        assert replay_run(run, verify=True)["divergences"] == 0
        found = attribution_of(run)
        rows = found.summed("account")
        assert {row["account"] for row in rows} >= {"main", "second"}
        assert sum(money_units(Decimal(row["net"])) for row in rows) == found.account


def test_a_symbol_of_one_account_is_refused():
    with pytest.raises(BadConfig, match="names an account"):
        parse_config(CONFIG.replace('"binance:BTC', '"binance@c:BTC'))

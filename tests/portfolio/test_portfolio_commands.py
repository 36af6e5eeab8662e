"""Targets by command of a portfolio: whose they are is said, members' positions go on adding up, a replay does the
same."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.engine.loader import load_strategy
from onetape.engine.robot_commands import TARGETS, commands_of
from onetape.model.errors import UnknownSymbol, UsageError
from onetape.portfolio.netting import UNOWNED
from onetape.replay.replay import replay_run
from portfolio.test_portfolio_accounts import PORTFOLIO as TWO_AT_ONE_EXCHANGE
from portfolio.test_portfolio_accounts import SAYS
from portfolio.test_portfolio_live import held_by
from portfolio.test_portfolio_runs import portfolio, section
from worlds.scripted_gateway import A, Robot
from worlds.supervised import TWO_EXCHANGES, Home
from worlds.tapes import BTC, ETH, Market, records, session_of

ONCE = """
from onetape import Strategy


class Once(Strategy):
    symbol: str = ""
    first: float = 0.0  # said with the first quote, unless it is 0
    number: int = 0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if self.first:
            self.set_target(self.symbol, self.first)
            self.first = 0.0
"""


def once(*symbols: str, **more: object) -> str:
    return section("Once", symbols, **more).replace("members.py", "once.py")


FILE = {"a": once(BTC, ETH, params="{ first = [0.0, 1.0] }"), "b": once(BTC, lots="2.0", params="{ number = 1 }")}


@pytest.fixture
def opened(tmp_path):
    """A session of the file's members (a.1, a.2: BTC; a.3, a.4: ETH; b: BTC) that has heard the first bar."""

    def make(text="", members=FILE, seconds=90, **plan):
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "once.py").write_text(ONCE)
        made, market = portfolio(tmp_path / "p", text, **members), Market(tmp_path / "t")
        market.add(ETH)
        for second in range(0, 600, 5):
            market.quote(second, 99.9, 100.1).quote(second, 49.9, 50.1, symbol=ETH)
        session = session_of(made, market.done(), journal=tmp_path / "run", cash={"USDT": Decimal(10**6)}, **plan)
        session.open()
        session.start()
        run_to(session, seconds)
        return session

    return make


def run_to(session, seconds):
    session.step(until=session.started_at + seconds * 10**9)


def held(session, symbol=BTC):
    return {
        each.name: session.robot._position(number, symbol).qty
        for number, each in enumerate(session.robot._active)
        if symbol in each.symbols
    }


def ask(session, command, *fields):
    said = dict(each.split("=", 1) for each in fields)
    meant = session.check_target(command, said)
    session.ask(command, said)
    return meant


def test_a_target_is_that_of_the_members_that_are_named(opened):
    session = opened()
    assert held(session) == {"a.1": 0, "a.2": 1, "b": 0}
    assert ask(session, "target", "member=b", f"symbol={BTC}", "qty=-1")["members"] == ["b"]
    run_to(session, 100)
    assert held(session) == {"a.1": 0, "a.2": 1, "b": -2}, "in its own lots"
    assert session.loop.position(BTC, None).qty == -1
    assert ask(session, "target", "member=a", f"symbol={BTC}", "qty=3")["members"] == ["a.1", "a.2"]
    run_to(session, 110)
    assert held(session) == {"a.1": 3, "a.2": 3, "b": -2}
    assert ask(session, "target", "member=*", f"symbol={BTC}", "qty=0")["members"] == ["a.1", "a.2", "b"]
    run_to(session, 120)
    assert held(session) == {"a.1": 0, "a.2": 0, "b": 0} and session.loop.position(BTC, None).qty == 0
    assert held(session, ETH) == {"a.3": 0, "a.4": 1}, "what is not named stays"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("target", f"symbol={BTC}", "qty=1"), r"3 members trade .* names none.*member=\*.*a\.1, a\.2, b"),
        (("target", f"symbol={BTC}", "qty=1", "member=c"), "no member 'c'"),
        (("target", f"symbol={BTC}", "qty=1", "member=a.3"), "'a.3' does not trade"),
        (("target", "symbol=binance:X/USDT:USDT", "qty=1", "member=b"), "does not trade"),
        (("target", f"symbol={BTC}", "qty=nan", "member=b"), "finite"),
        (("target", f"symbol={BTC}", "qty=1", "member=b", "algo=twap"), "minutes"),
        (("target", f"symbol={BTC}", "qty=1", "member=b", "minutes=5"), "touch"),
        (("cancel_target", f"symbol={BTC}"), "names none"),
        (("cancel_target", f"symbol={BTC}", "member=b", "qty=1"), "symbol alone"),
        (("pause_target", f"symbol={BTC}"), "no target of"),
        (("resume_target", f"symbol={BTC}", "member=b"), "no target of"),
    ],
)
def test_what_is_not_clear_is_refused_in_one_line_and_changes_nothing(opened, words, says):
    session = opened()
    command, *fields = words
    with pytest.raises((UsageError, UnknownSymbol, Exception), match=says) as refused:
        session.check_target(command, dict(each.split("=", 1) for each in fields))
    assert "\n" not in str(refused.value)
    run_to(session, 120)
    assert held(session) == {"a.1": 0, "a.2": 1, "b": 0}


def test_a_name_of_two_things_is_refused(opened):
    numbered = once(BTC, lots="3.0", params="{ number = [2, 3] }")
    session = opened(members={"a": FILE["a"], "b": FILE["b"], '"a.1"': numbered})
    assert [*held(session)] == ["a.1", "a.2", "b", "a.1.1", "a.1.2"]
    with pytest.raises(UsageError, match=r"'a\.1' is a member and another strategy's name"):
        session.check_target("target", {"symbol": BTC, "qty": "1", "member": "a.1"})
    assert session.check_target("target", {"symbol": BTC, "qty": "1", "member": "b"})["members"] == ["b"]


def test_a_member_needs_no_name_where_it_is_the_only_one(opened):
    session = opened(members={"a": once(BTC), "b": once(ETH)})
    assert ask(session, "target", f"symbol={ETH}", "qty=2")["members"] == ["b"]
    run_to(session, 100)
    assert held(session, ETH) == {"b": 2}


def test_a_target_is_worked_by_the_algorithm_that_is_said_paused_and_given_up(opened):
    session = opened()
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=5", "algo=twap", "minutes=1", "spread=0", "clip=0.5")
    run_to(session, 120)
    begun = held(session)["b"]
    assert 3 < begun < 7 and session.works(BTC)
    with pytest.raises(UsageError, match="only a symbol: its orders work for all members"):
        session.check_target("pause_target", {"symbol": BTC, "member": "b"})
    ask(session, "pause_target", f"symbol={BTC}")
    run_to(session, 130)
    assert held(session)["b"] == begun and session.works(BTC)
    ask(session, "resume_target", f"symbol={BTC}")
    run_to(session, 140)
    later = held(session)["b"]
    assert begun < later < 10
    assert ask(session, "cancel_target", "member=b", f"symbol={BTC}")["members"] == ["b"]
    run_to(session, 300)
    assert held(session) == {"a.1": 0, "a.2": 1, "b": later} and not session.works(BTC)
    assert not session.loop.working(None)


def test_the_same_target_by_another_algorithm_takes_the_place_of_the_one_that_works(opened):
    session = opened()
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=5", "algo=twap", "minutes=5")
    run_to(session, 100)
    assert held(session)["b"] < 5
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=5")
    run_to(session, 110)
    assert held(session)["b"] == 10


def test_one_member_gives_up_and_what_the_others_lack_keeps_its_deadline(opened):
    session = opened()
    for name, qty in (("a.1", 6), ("b", 3)):
        ask(session, "target", f"member={name}", f"symbol={BTC}", f"qty={qty}", "algo=twap", "minutes=1", "spread=0")
    run_to(session, 120)
    ask(session, "cancel_target", "member=a.1", f"symbol={BTC}")
    kept = held(session)["a.1"]
    assert 0 < kept < 6
    run_to(session, 145)
    assert held(session)["b"] < 6, "what is left has the time that it had"
    run_to(session, 155)
    assert held(session) == {"a.1": kept, "a.2": 1, "b": 6}


def nobodys(session):
    return session.robot._position(UNOWNED, BTC).qty


def test_a_late_fill_is_whose_order_it_was_after_they_lowered_their_target(opened):
    session = opened(latency=(3, 0))
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=1")
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=0")
    run_to(session, 95)
    assert session.loop.position(BTC, None).qty == 3, "the cancel came too late"
    assert held(session) == {"a.1": 0, "a.2": 1, "b": 2} and nobodys(session) == 0
    run_to(session, 100)
    assert held(session) == {"a.1": 0, "a.2": 1, "b": 0} and session.loop.position(BTC, None).qty == 1
    assert session.robot._position(UNOWNED, BTC).holding.realized == 0


def test_a_late_fill_of_what_a_member_gave_up_is_nobodys_and_is_traded_out(opened):
    session = opened(latency=(3, 0))
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=1")
    ask(session, "cancel_target", "member=b", f"symbol={BTC}")
    run_to(session, 95)
    assert held(session) == {"a.1": 0, "a.2": 1, "b": 0} and nobodys(session) == 2
    run_to(session, 100)
    assert nobodys(session) == 0 and session.loop.position(BTC, None).qty == 1


def test_what_a_member_kept_counts_against_the_limits(opened):
    session = opened("symbol_max = 0.0004", members={"a": FILE["b"], "b": once(BTC, params="{ first = 0.5 }")})
    ask(session, "target", "member=a", f"symbol={BTC}", "qty=1")
    run_to(session, 100)
    ask(session, "cancel_target", "member=a", f"symbol={BTC}")
    ask(session, "target", "member=b", f"symbol={BTC}", "qty=100")
    run_to(session, 120)
    assert held(session)["b"] > 0 and sum(held(session).values()) <= 4


def test_of_several_accounts_at_an_exchange_all_parts_are_paused_and_given_up(tmp_path):
    (tmp_path / "says.py").write_text(SAYS)
    (tmp_path / "book.toml").write_text(TWO_AT_ONE_EXCHANGE)
    with Robot(tmp_path, load_strategy(str(tmp_path / "book.toml")), accounts="ac") as robot:
        session = robot.run.session
        assert len(robot.working()) == 2
        session.ask("pause_target", {"symbol": A})
        assert {order.state for order in robot.loop.working(None)} == {"PENDING_CANCEL"} and session.works(A)
        session.ask("cancel_target", {"symbol": A, "member": "*"})
        assert not session.works(A)


CONFIG = f"""{TWO_EXCHANGES}[portfolio]
account = "a"
[portfolio.strategies.idle]
strategy = "once.py:Once"
symbols = ["{BTC}"]
params = {{ number = [1, 2] }}
lots = 0.01
"""


def test_an_operator_trades_for_members_through_a_kill_and_a_replay_does_the_same(tmp_path):
    (tmp_path / "once.py").write_text(ONCE)
    send = ("send", "robot:portfolio")
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        answer = home.run(*send, "target", "member=idle.2", f"symbol={BTC}", "qty=3")
        assert answer["result"] == {"symbol": BTC, "members": ["idle.2"], "works": False}
        home.wait_for(lambda: held_by(home).get(BTC) == Decimal("0.03"))
        home.run(*send, "target", "member=*", f"symbol={BTC}", "qty=-2", "algo=twap", "minutes=0.5", "clip=0.01")
        home.wait_for(lambda: held_by(home)[BTC] < Decimal("0.02"))
        home.kill("robot:portfolio")
        home.wait_for(lambda: held_by(home)[BTC] == Decimal("-0.04") and not home.run("orders"))
        (run,) = (home.home / "runs").iterdir()
        home.run("down")
    said = [each.fields for each in commands_of(run / "journal") if each.command in TARGETS]
    assert [each["member"] for each in said] == ["idle.2", "*"]
    ended = [each.data["fields"] for each in records(run / "journal", "log") if "realized" in each.data["fields"]]
    assert {each["member"]: each["qty"] for each in ended} == {"idle.1": "-0.02", "idle.2": "-0.02"}
    assert replay_run(run, verify=True)["divergences"] == 0

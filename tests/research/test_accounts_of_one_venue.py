"""Several accounts of one exchange in a backtest: money, orders, fees and rates of their own, over one market."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from test_money_runs import backtest

import onetape
from onetape import Strategy
from onetape.engine.accounts import by_traded_venue, parse_accounts
from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.money import money_units
from onetape.replay.replay import replay_run
from onetape.runs.attribution import attribution_of
from worlds.supervised import TWO_ACCOUNTS
from worlds.tapes import BTC, Market, play

SECOND = BTC.replace(":", "@b:", 1)
ACCOUNTS = {"binance": {"USDT": Decimal(10_000)}, "binance@b": {"USDT": Decimal(1_000)}}
NAMES = {"binance": "a", "binance@b": "b"}
CASH = "binance@a=10000 USDT,binance@b=1000 USDT"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Ten seconds of quotes: one unit at 100 on each side."""
    market = Market(tmp_path / "market.tape")
    for second in range(10):
        market.quote(second, 99.9, 100, 1, 1)
    return market.done()


def played(strategy: type[Strategy], tape: Path, **plan):
    return play(strategy, tape, accounts=ACCOUNTS, account_names=NAMES, **plan)


class Buys(Strategy):
    """One unit on each account at the same moment."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.heard, self.turn = [], 0

    def on_quote(self, quote):
        self.turn += 1
        if self.turn == 1:
            self.buy(BTC, 1.0, account="a")
            self.buy(BTC, 1.0, account="b")

    def on_fill(self, fill):
        self.heard.append((fill.symbol, fill.qty, fill.price))


def test_what_one_account_takes_is_gone_for_the_other(tape):
    run = played(Buys, tape)
    assert run.robot.heard == [(BTC, 1.0, 100.0), (SECOND, 1.0, 100.1)], "a tick beyond the touch, as of one account"
    assert run.robot.position(BTC, account="b").qty == run.robot.position(SECOND).qty == 1.0
    assert run.robot.accounts == {"a": "binance", "b": "binance@b"}


def test_money_and_what_it_backs_are_each_accounts_own(tape):
    class Spends(Buys):
        def on_quote(self, quote):
            self.turn += 1
            if self.turn == 1:
                self.small = self.buy(BTC, 11.0, account="b")
                self.large = self.buy(BTC, 11.0, 99.0, account="a")

    run = played(Spends, tape)
    assert (run.robot.small.state, run.robot.large.state) == ("DENIED", "ACCEPTED")
    assert run.robot.balance("USDT", account="b").total == 1_000
    assert run.robot.equity_of("a") + run.robot.equity_of("b") == run.robot.equity == 11_000


def test_a_print_fills_resting_orders_of_both_no_more_than_its_size(tmp_path):
    market = Market(tmp_path / "market.tape")
    market.quote(0, 99.9, 100, 1, 1)
    market.trade(1, 99.0, 1.5, "sell").quote(2, 99.9, 100, 1, 1)

    class Rests(Buys):
        def on_quote(self, quote):
            self.turn += 1
            if self.turn == 1:
                for account in "ab":
                    self.buy(BTC, 1.0, 99.5, account=account)

    run = played(Rests, market.done())
    assert run.robot.heard == [(BTC, 1.0, 99.5), (SECOND, 0.5, 99.5)]


def test_accounts_share_what_may_be_taken_of_a_bar(tmp_path):
    market = Market(tmp_path / "market.tape")
    for minute in range(1, 5):
        market.bar(60 * minute, "1m", (100, 101, 99, 100), 10)

    class Takes(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")
            self.turn, self.heard = 0, []

        def on_bar(self, bar):
            self.turn += 1
            if self.turn == 1:
                self.buy(BTC, 4.0, account="a")
                self.buy(BTC, 4.0, account="b")

        def on_fill(self, fill):
            self.heard.append((fill.symbol, fill.qty))

    run = played(Takes, market.done())
    assert run.robot.heard[:2] == [(BTC, 4.0), (SECOND, 1.0)], "half of the ten"
    assert sum(qty for _, qty in run.robot.heard) == 8.0


class Takes(Strategy):
    """Market and limit orders that take at once, on the account that a plan names."""

    accounts_of: str = "a"
    seed_of: int = 0

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.fills, self.draws = [], Random(self.seed_of)

    def on_quote(self, quote):
        is_buy = self.draws.random() < 0.5  # own orders on two sides would not leave
        for number in range(self.draws.randint(0, 3)):
            account = self.accounts_of[number % len(self.accounts_of)]
            qty = self.draws.randint(1, 900) / 1000
            price = self.draws.choice([None, quote.ask if is_buy else quote.bid])
            order = self.buy if is_buy else self.sell
            order(BTC, qty, price, tif="IOC" if price else "GTC", account=account)

    def on_fill(self, fill):
        self.fills.append((fill.side, fill.qty, fill.price))


@pytest.mark.parametrize("seed", range(12))
def test_takers_on_two_accounts_get_what_one_account_would(tmp_path, seed):
    """Fill by fill: a market has its liquidity once."""
    market, draws = Market(tmp_path / "market.tape"), Random(seed)
    for second in range(60):
        bid = 100 + draws.randint(-5, 5) / 10
        if seed % 2:
            sizes = [draws.randint(1, 500) / 1000 for _ in range(6)]
            bids = [(round(bid - n / 10, 1), sizes[n]) for n in range(3)]
            asks = [(round(bid + (n + 1) / 10, 1), sizes[3 + n]) for n in range(3)]
            market.book(second, bids, asks)
        market.quote(second + 0.5, bid, round(bid + 0.1, 1), draws.randint(1, 700) / 1000, draws.randint(1, 700) / 1000)
    tape = market.done()
    rich = {venue: {"USDT": Decimal(10**6)} for venue in ACCOUNTS}
    one, two = (
        play(Takes, tape, accounts=rich, account_names=NAMES, params={"accounts_of": each, "seed_of": seed})
        for each in ("a", "ab")
    )
    assert one.robot.fills and one.robot.fills == two.robot.fills
    assert two.robot.position(BTC, account="b").qty or two.robot.equity_of("b") != 10**6


class Divides(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.turn, self.held = 0, []

    def on_quote(self, quote):
        self.held.append([self.position(BTC, account=each).qty for each in "ab"])
        self.turn += 1
        if self.turn in (1, 5):
            self.set_target(BTC, 88.0 if self.turn == 1 else -88.0, account="*")


def test_a_target_is_divided_by_free_money_and_turned_round(tmp_path):
    """What is closed backs as much on the other side."""
    market = Market(tmp_path / "market.tape")
    for second in range(10):
        market.quote(second, 99.9, 100)
    run = played(Divides, market.done())
    assert run.robot.held[4] == [80.0, 8.0]
    assert sum(run.robot.held[-1]) == -88.0
    assert run.robot.held[-1] == pytest.approx([-80.0, -8.0], abs=0.01)
    assert not run.host.failures


SOURCE = """
from onetape import Strategy


class Both(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.turn = 0

    def on_quote(self, quote):
        self.turn += 1
        for account in self.accounts:
            (self.buy if self.turn % 2 else self.sell)(self.symbol, 0.5, account=account)
"""


def row(result, venue):
    (found,) = (each for each in result.as_json()["venues"] if each["venue"] == venue)
    return found


def test_a_run_has_a_row_for_each_account_is_repeated_and_adds_up(tmp_path):
    market = Market(tmp_path / "market.tape", taker_fee="0.001")
    for second in range(61):
        market.quote(second, 99.9, 100)
    market.funding(60.5, "0.001", 100).quote(61, 99.9, 100)
    done = backtest(
        tmp_path, market.done(), "run", SOURCE, cash=CASH, latency="0", fee={"": "0,0.001", "binance@b": "0,0.002"}
    )
    a, b = row(done, "binance"), row(done, "binance@b")
    assert (a["cash"], b["cash"]) == ("10000", "1000")
    assert Decimal(b["fees"]) == 2 * Decimal(a["fees"]) > 0
    assert a["funding"] == b["funding"] == "-0.05"
    assert replay_run(done.run, verify=True)["divergences"] == 0
    found = attribution_of(done.run)
    rows = found.summed("account")
    assert {each["account"] for each in rows} == {"a", "b"}, "nothing is left over"
    assert sum(money_units(Decimal(each["net"])) for each in rows) == found.account
    assert onetape.open(done.run).facts["money"]["account_names"] == {"binance": "a", "binance@b": "b"}


def test_each_account_has_the_exchanges_order_rate_for_itself(tmp_path, tape):
    done = backtest(tmp_path, tape, "run", SOURCE, cash=CASH, latency="0", order_rate="binance=1/1h")
    assert done.fills == 2
    done = backtest(tmp_path, tape, "own", SOURCE, cash=CASH, latency="0", order_rate=["1/1h", "binance@b=3/1h"])
    assert done.fills == 4


def test_an_exchange_has_one_latency_and_one_clock_for_its_accounts(tmp_path, tape):
    done = backtest(tmp_path, tape, "run", SOURCE, cash=CASH, latency=["1ms", "binance=20ms,80ms"])
    plain = backtest(tmp_path, tape, "plain", SOURCE, cash=CASH, latency="20ms,80ms")
    assert done.action_hash == plain.action_hash and done.final_equity == plain.final_equity


PORTFOLIO = (
    TWO_ACCOUNTS
    + """\
[portfolio]
accounts = ["main", "second"]
weights = "equal"
[portfolio.strategies.turns]
strategy = "turns.py:Turns"
symbols = ["binance:BTC/USDT:USDT"]
params = { every = [3, 5] }
"""
)
TURNS = """
from onetape import Strategy


class Turns(Strategy):
    symbol: str = ""
    every: int = 3

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.turn = 0

    def on_quote(self, quote):
        self.turn += 1
        if self.turn % self.every == 0:
            self.set_target(self.symbol, 1 if self.turn // self.every % 2 else -1)
"""


def test_a_portfolios_file_is_backtested_on_its_accounts(tmp_path):
    (tmp_path / "book.toml").write_text(PORTFOLIO)
    (tmp_path / "turns.py").write_text(TURNS)
    market = Market(tmp_path / "market.tape", taker_fee="0.0005")
    for second in range(60):
        market.quote(second, 99.9, 100)
    cash = "main=2000 USDT,second=1000 USDT"
    done = onetape.backtest(
        tmp_path / "book.toml", data=market.done(), cash=cash, latency="1ms", home=tmp_path, out=tmp_path / "run"
    )
    venues = {each["venue"]: each for each in done.facts["venue_result"]}
    assert (venues["binance"]["cash"], venues["binance@second"]["cash"]) == ("2000", "1000")
    assert Decimal(venues["binance@second"]["volume"]) > 0
    assert replay_run(tmp_path / "run", verify=True)["divergences"] == 0
    found = attribution_of(tmp_path / "run")
    members = found.summed("strategy")
    assert {each["strategy"] for each in members} >= {"/portfolio/turns.1", "/portfolio/turns.2"}
    for by in ("account", "strategy"):
        assert sum(money_units(Decimal(each["net"])) for each in found.summed(by)) == found.account


def test_accounts_by_what_is_traded_on_them():
    found = by_traded_venue(parse_accounts("binance@a=1 USDT,binance@b=2 USDT,aster@c=3 USDT"))
    assert list(found[0]) == ["binance", "binance@b", "aster"]
    assert found[1] == {"binance": "a", "binance@b": "b", "aster": "c"}
    assert list(by_traded_venue(parse_accounts("binance@b=1 USDT,binance=2 USDT"))[0]) == ["binance@b", "binance"]
    with pytest.raises(BadConfig, match="two accounts are called"):
        by_traded_venue(parse_accounts("binance@b=1 USDT,aster@b=2 USDT"))


def test_what_shows_a_market_twice_is_refused(tmp_path):
    market = Market(tmp_path / "market.tape")
    market.bar(60, "1m", (100, 101, 99, 100), 10).bar(120, "1m", (100, 101, 99, 100), 10)
    finer = Market(tmp_path / "finer.tape")
    for second in range(120):
        finer.quote(second, 99.9, 100)
    with pytest.raises(NotAvailable, match="detail data and several accounts of one exchange"):
        backtest(tmp_path, market.done(), "run", SOURCE, cash=CASH, latency="0", detail_data=[finer.done()])


def test_exact_places_in_a_queue_are_of_one_account(tmp_path):
    market = Market(tmp_path / "market.tape").quote(0, 99.9, 100)
    market.raw("mbo", bytes(72), 1)
    with pytest.raises(NotAvailable, match="market by order and several accounts of one exchange"):
        played(Buys, market.done())


def test_ladders_are_refused_beside_another_account(tape):
    class Quotes(Buys):
        def on_quote(self, quote):
            self.set_quotes(BTC, [(99.0, 1.0)], [])

    run = played(Quotes, tape)
    assert any("ladders beside another account" in each.error for each in run.host.failures)

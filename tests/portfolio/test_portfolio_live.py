"""A portfolio's file under a supervisor, with accounts at two exchanges."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

import pytest

import onetape
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.money import money_units
from onetape.replay.replay import replay_run
from onetape.runs.attribution import attribution_of
from worlds.supervised import Home
from worlds.tapes import records

A, B = "binance:BTC/USDT:USDT", "aster:BTC/USDT:USDT"
MEMBERS = """
from onetape import Strategy


class Turns(Strategy):
    symbol: str = ""
    every: int = 5

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % self.every == 0:
            self.set_target(self.symbol, -1 if self.seen // self.every % 2 else 1)
"""
CONFIG = f"""
[venues.binance]
kind = "binance-usdm"
[venues.aster]
kind = "aster"
[accounts.a]
venue = "binance"
[accounts.b]
venue = "aster"
[portfolio]
accounts = ["a", "b"]
[portfolio.strategies.turns]
strategy = "members.py:Turns"
symbols = ["{A}", "{B}"]
params = {{ every = [5, 7] }}
lots = 0.01
"""


def trades_on(home: Home) -> None:
    """Both accounts have traded since."""
    before = Counter(fill["account"] for fill in home.fills())
    home.wait_for(lambda: len(Counter(fill["account"] for fill in home.fills()) - before) == 2)


def test_a_portfolio_trades_on_two_exchanges_through_a_kill_and_its_members_add_up(tmp_path):
    (tmp_path / "members.py").write_text(MEMBERS)
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        trades_on(home)
        home.kill("robot:portfolio")
        trades_on(home)
        (run,) = (home.home / "runs").iterdir()
        home.run("down")
        held = defaultdict(Decimal)
        for fill in onetape.open(run).fills.to_dicts():  # of which the robot heard
            held[fill["symbol"]] += Decimal(str(fill["qty"])) * (1 if fill["side"] == "buy" else -1)
        logs = [each.data["fields"] for each in records(run / "journal", "log")]
        said = [each for each in logs if "realized" in each]  # by the last life, as it ended
        parts = defaultdict(Decimal)
        for each in said:
            parts[each["symbol"]] += Decimal(each["qty"])
        assert {each["member"] for each in said} > {"turns.1", "turns.4"}
        assert {symbol: round(qty, 8) for symbol, qty in held.items()} == parts and set(held) == {A, B}
        assert replay_run(run, verify=True)["divergences"] == 0
        found = attribution_of(run)
        rows = found.summed("account")
        assert {row["account"] for row in rows} >= {"a", "b"}
        assert sum(money_units(Decimal(row["net"])) for row in rows) == found.account


def test_a_portfolio_names_one_account_or_several():
    with pytest.raises(BadConfig, match="both `account` and `accounts`"):
        parse_config(CONFIG.replace("accounts =", 'account = "a"\naccounts ='))

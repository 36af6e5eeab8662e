"""A portfolio's file under a supervisor, with accounts at two exchanges."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.money import money_units
from onetape.replay.replay import replay_run
from onetape.runs.attribution import attribution_of
from worlds.supervised import TWO_EXCHANGES, Home
from worlds.tapes import records

A, B = "binance:BTC/USDT:USDT", "aster:BTC/USDT:USDT"
MEMBERS = """
from onetape import Strategy


class Turns(Strategy):
    symbol: str = ""
    every: int = 5
    turns: int = 24  # of the second life: the first one turns until it is killed; the last one is to long

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.seen += 1
        last = self.turns * self.every if self.resumed else None
        if self.seen % self.every == 0 and (last is None or self.seen <= last):
            self.set_target(self.symbol, -1 if self.seen // self.every % 2 else 1)
        if self.seen == last:
            self.log("done")
"""
HELD = {A: Decimal("0.02"), B: Decimal("0.02")}  # two members each
CONFIG = f"""{TWO_EXCHANGES}[portfolio]
accounts = ["a", "b"]
[portfolio.strategies.turns]
strategy = "members.py:Turns"
symbols = ["{A}", "{B}"]
params = {{ every = [5, 7] }}
lots = 0.01
"""


def held_by(home: Home) -> dict[str, Decimal]:
    held: dict[str, Decimal] = defaultdict(Decimal)
    for fill in home.fills():
        held[fill["symbol"]] += Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
    return held


def done(journal: Path) -> int:
    """Returns how many members have taken their last turn."""
    return sum(each.data["text"] == "done" for each in records(journal, "log"))


def test_a_portfolio_trades_on_two_exchanges_through_a_kill_and_its_members_add_up(tmp_path):
    (tmp_path / "members.py").write_text(MEMBERS)
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        home.wait_for_trades(2)
        (run,) = (home.home / "runs").iterdir()
        home.kill("robot:portfolio")
        home.wait_for(lambda: done(run / "journal") == 4)
        home.wait_for(lambda: held_by(home) == HELD and not home.run("orders"))
        home.run("down")
        logs = [each.data["fields"] for each in records(run / "journal", "log")]
        said = [each for each in logs if "realized" in each]  # by the last life, as it ended
        parts = defaultdict(Decimal)
        for each in said:
            parts[each["symbol"]] += Decimal(each["qty"])
        assert {each["member"] for each in said} > {"turns.1", "turns.4"}
        assert parts == HELD == held_by(home)
        assert replay_run(run, verify=True)["divergences"] == 0
        found = attribution_of(run)
        rows = found.summed("account")
        assert {row["account"] for row in rows} >= {"a", "b"}
        assert sum(money_units(Decimal(row["net"])) for row in rows) == found.account


def test_a_portfolio_names_one_account_or_several():
    with pytest.raises(BadConfig, match="both `account` and `accounts`"):
        parse_config(CONFIG.replace("accounts =", 'account = "a"\naccounts ='))

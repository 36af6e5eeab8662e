"""Several accounts under `run --live`, with gateways of its own, and in one process."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from onetape.engine.plan import read_plan
from onetape.model.money import money_units
from onetape.projections.account_views import fills
from onetape.runs.attribution import attribution_of
from onetape.store.config import load_config
from worlds.command_lines import answered, run_until
from worlds.supervised import TWO_ACCOUNTS, Home

BOTH = """
from onetape import Strategy


class Both(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.is_set = False

    def on_quote(self, quote):
        if not self.is_set:
            self.is_set = True
            self.set_target(self.symbol, 0.04, account="*")
"""
PORTFOLIO = f"""{TWO_ACCOUNTS}[portfolio]
accounts = ["main", "second"]
[portfolio.strategies.one]
strategy = "member.py:Wants"
symbols = ["binance:BTC/USDT:USDT"]
lots = 0.04
"""
MEMBER = """
from onetape import Strategy


class Wants(Strategy):
    symbol: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.set_target(self.symbol, 1)
"""


def traded(folder: Path) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills(folder / ".onetape", load_config(folder / "onetape.toml", {})):
        found[fill["account"]] += Decimal(fill["qty"])
    return found


def check(folder: Path, run: Path) -> None:
    assert answered(folder, "replay", run, "--verify")["divergences"] == 0
    plan, _ = read_plan(run)
    assert plan.live is not None
    assert {seat.account: seat.venue for seat in plan.live.seats} == {"main": "binance", "second": "binance@second"}
    found = attribution_of(run)
    rows = found.summed("account")
    assert {row["account"] for row in rows} >= {"main", "second"}
    assert sum(money_units(Decimal(row["net"])) for row in rows) == found.account


HALVES = {"main": Decimal("0.02"), "second": Decimal("0.02")}


@pytest.mark.parametrize("words", [(), ("--single",)])
def test_a_run_in_the_foreground_trades_on_two_accounts_of_one_exchange(tmp_path, words):
    (tmp_path / "onetape.toml").write_text(TWO_ACCOUNTS)
    (tmp_path / "both.py").write_text(BOTH)
    names = ("--account", "main", "--account", "second")
    reported = run_until(lambda: traded(tmp_path) == HALVES, tmp_path, "both.py", *names, "--live", *words)
    check(tmp_path, Path(reported["run"]))


def test_a_portfolio_in_the_foreground_trades_on_the_accounts_of_its_file(tmp_path):
    (tmp_path / "onetape.toml").write_text(PORTFOLIO)
    (tmp_path / "member.py").write_text(MEMBER)
    reported = run_until(lambda: traded(tmp_path) == HALVES, tmp_path, "onetape.toml", "--live")
    check(tmp_path, Path(reported["run"]))


def test_the_same_file_runs_in_one_process(tmp_path):
    (tmp_path / "member.py").write_text(MEMBER)
    with Home(tmp_path, PORTFOLIO) as home:
        home.run("up", "--single")
        home.wait_for(lambda: sum(traded(tmp_path).values()) == Decimal("0.04") and not home.run("orders"))
        (run,) = (home.home / "runs").iterdir()
        home.run("down")
        check(tmp_path, run)


@pytest.mark.parametrize(
    ("more", "accounts", "words", "code"),
    [
        ("[guardian]\n", ("main", "second"), "a guardian for several accounts cannot run in the foreground", 1),
        ("", ("main", "main"), "are both of binance", 2),
        ('[accounts.other]\nvenue = "x"\n', ("main", "other"), "other would use the account main", 2),
    ],
)
def test_what_has_no_several_accounts_in_the_foreground_is_refused(tmp_path, more, accounts, words, code):
    (tmp_path / "onetape.toml").write_text(TWO_ACCOUNTS + more)
    (tmp_path / "both.py").write_text(BOTH)
    named = [word for account in accounts for word in ("--account", account)]
    assert words in answered(tmp_path, "run", "both.py", "--live", *named, code=code)["error"]["message"]


def test_several_accounts_of_a_running_exchange_need_a_configuration(tmp_path):
    (tmp_path / "both.py").write_text(BOTH)
    words = ("--exchange", "http://127.0.0.1:1", "--account", "a", "--account", "b")
    error = answered(tmp_path, "run", "both.py", "--live", *words, code=1)["error"]
    assert (error["name"], "[accounts.NAME]" in error["message"]) == ("NOT_AVAILABLE", True)

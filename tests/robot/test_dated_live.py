"""Dated contracts on a real exchange: a live run rolls from the one to the next, which is settled there."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from subprocess import PIPE

import pytest
from msgspec import structs
from test_run_on_exchange import Sim, accounts, step_of

import copied_process
from copied_process import ONETAPE, Copied
from exchange.tape_by_hand import BTC, KIND, START
from long_form import LONG
from onetape.model import catalogue
from onetape.model.money import money_units
from onetape.model.sections import AccountConfig, Config
from onetape.projections.account_balances import balances
from onetape.projections.account_views import fills, positions
from onetape.runs.attribution import attribution_of
from onetape.tape.journal import JournalWriter
from waiting import wait_for
from worlds.command_lines import CLEAN

SECOND = 10**9
ROLLS = """
from onetape import Strategy

class Rolls(Strategy):
    contracts: list[str]
    left: str  # to its settlement

    def on_start(self):
        for symbol in (*self.contracts, self.left):
            self.subscribe(symbol, quotes=True)
        self.row = self.roll(self.contracts, "6s")
        self.is_set = False

    def on_quote(self, quote):
        if not self.is_set and all(self.quote(each) for each in (*self.contracts, self.left)):
            self.is_set = True
            self.set_target(self.row.front, -0.01)
            self.set_target(self.left, 0.02)
"""


def contract(days: int, expiry: int = 0):
    """Of a day that is ahead. expiry: when the exchange ends it nevertheless, ns."""
    day = (datetime.now(UTC) + timedelta(days=days)).replace(hour=8, minute=0, second=0, microsecond=0)
    perpetual = catalogue.find(BTC)
    assert perpetual is not None
    return structs.replace(
        perpetual,
        symbol=f"{BTC}-{day:%y%m%d}",
        raw_symbol=f"BTCUSDT_{day:%y%m%d}",
        perpetual=False,
        expiry=expiry or int(day.timestamp()) * SECOND,
        funding_interval=0,
    )


def booked_by(sim: Sim) -> Config:
    return Config(accounts={each: AccountConfig(venue="v") for each in accounts(sim.home)})


@pytest.mark.skipif(not LONG, reason="a quarter of a minute, until contracts expire: make prove WHAT=long")
def test_a_live_run_rolls_and_the_venue_settles(tmp_path):
    ends = time.time_ns() + 16 * SECOND
    near, left, after = contract(2, ends), contract(3, ends), contract(90)
    with JournalWriter(tmp_path / "tape", process="test") as writer:
        for number, each in enumerate((near, left, after), 1):
            writer.append_instrument(number, START, each.to_msgpack())
        for second in range(60):
            now = START + second * SECOND
            for number, price in enumerate((600_000, 605_000, 610_000), 1):
                writer.append_quote(number, now, now, price - 5 + second % 2, price + 5 + second % 2, 10**5, 10**5)
    (tmp_path / "rolls.py").write_text(ROLLS)
    sim = Sim(tmp_path / "home", KIND, "--tape", tmp_path / "tape")
    try:
        params = ("--param", f"contracts={near.symbol},{after.symbol}", "--param", f"left={left.symbol}")
        words = ("run", "rolls.py", "--live", "--exchange", sim.rest, "--home", sim.home, "--json", *params)
        run = Copied(ONETAPE, *words, cwd=tmp_path, env=CLEAN, stdout=PIPE, stderr=PIPE, text=True)
        # Two of the seven hand what the venue has settled from the pool to the robot.
        wait_for(lambda: len(fills(sim.home, booked_by(sim))) == 7 or run.poll() is not None, sim.account)
        run.send_signal(2)
        out, err = run.communicate(timeout=copied_process.WITHIN_S)
        assert run.returncode == 0, (out, err)
        there = sim.account()
        config = booked_by(sim)
        held = {row["symbol"]: Decimal(row["qty"]) for row in positions(sim.home, config)}
        assert {symbol: qty for symbol, qty in held.items() if qty} == {after.symbol: Decimal("-0.01")}
        assert [(each["symbol"], Decimal(each["size"])) for each in there["positions"]] == [
            (after.symbol, Decimal("-0.01"))
        ]
        booked = {row["currency"]: Decimal(row["total"]) for row in balances(sim.home, config)}
        assert abs(booked["USDT"] - Decimal(there["balances"]["USDT"])) <= step_of(there)
        (settled,) = [each for each in there["trades"] if each["client_id"].startswith("settlement")]
        assert (settled["symbol"], settled["price"], settled["fee"]) == (left.symbol, "60500", "0")
        found = attribution_of(Path(json.loads(out)["run"]))
        rows = found.summed("symbol")
        assert {row["symbol"]: row["trades"] for row in rows if ":" in row["symbol"]} == {
            near.symbol: 1,
            left.symbol: 1,
            after.symbol: 0,
        }
        assert sum(money_units(Decimal(row["net"])) for row in rows) == found.account
    finally:
        sim.stop()

"""Coins that a robot bought on spot, where the venue takes its fee out of them: protected and sold to the last lot,
by an account that has no others."""

from __future__ import annotations

import signal
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from copied_process import ONETAPE, Copied
from robot.test_run_on_exchange import Sim, accounts, words_of
from waiting import wait_for
from worlds.command_lines import CLEAN

SYMBOL = "binance:BTC/USDT"
LOT = Decimal("0.00001")
SELLS = f"""
from onetape import Strategy

class Sells(Strategy):
    def on_start(self):
        self.subscribe("{SYMBOL}", quotes=True)
        self.order = None

    def on_quote(self, quote):
        self.order = self.order or self.sell("{SYMBOL}", 1)
"""
TRADES = f"""
from onetape import Strategy

class Trades(Strategy):
    how: str = ""

    def on_start(self):
        self.subscribe("{SYMBOL}", quotes=True)
        self.entry, self.is_done = None, False

    def on_quote(self, quote):
        if self.entry is None:
            self.entry = self.buy("{SYMBOL}", 0.5, stop_loss="5%", take_profit="9%")
        held, stops = self.position("{SYMBOL}").qty, self.entry.children
        if self.is_done or not held or [each.remaining for each in stops] != [held] or not stops[0].venue_id:
            return
        self.is_done = True
        if self.how == "sell":
            self.sell("{SYMBOL}", held)
        elif self.how == "target":
            self.set_target("{SYMBOL}", 0)
        else:
            self.close("{SYMBOL}")
"""


@pytest.fixture
def sim(tmp_path: Path):
    made = Sim(tmp_path / "home", "binance-spot")
    yield made
    made.stop()


def run_until(folder: Path, sim: Sim, name: str, source: str, done: Any, *words: str) -> None:
    (folder / f"{name}.py").write_text(source)
    log = folder / f"{name}.log"
    command = ["run", f"{name}.py", "--live", "--symbol", SYMBOL, "--exchange", sim.rest, "--home", sim.home, *words]
    with log.open("w") as said:
        process = Copied(ONETAPE, *command, cwd=folder, env=CLEAN, stdout=said, stderr=said)
        wait_for(done, log.read_text)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()


def coins(sim: Sim) -> Decimal:
    return Decimal(sim.account()["balances"].get("BTC", "0"))


def is_sold(sim: Sim, trades_before: int) -> bool:
    there = sim.account()
    sides = {each["side"] for each in there["trades"][trades_before:]}
    return sides == {"buy", "sell"} and coins(sim) < LOT and not any(each["open"] for each in there["orders"])


def test_what_was_bought_is_protected_and_sold_though_the_fee_took_a_part_of_it(tmp_path, sim):
    run_until(tmp_path, sim, "sells", SELLS, lambda: coins(sim) == 0)
    for how in ("sell", "target", "close"):
        done = partial(is_sold, sim, len(sim.account()["trades"]))
        run_until(tmp_path, sim, "trades", TRADES, done, "--param", f"how={how}")
    (account,) = accounts(sim.home)
    assert words_of(sim.home, account, "alert") == []

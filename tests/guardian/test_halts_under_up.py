"""Limits of what may be lost, with real processes: a halt begins by what is filled at a simulated exchange, holds
through any kill, lets reductions pass, and nothing is opened where no guardian watches."""

from __future__ import annotations

import os
import re
import signal

import msgspec

from onetape.cli.processes import table
from onetape.model.errors import LossHalt, NoGuardian
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.command_lines import command_line
from worlds.supervised import Home

SYMBOL = "binance:BTC/USDT:USDT"
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
[guardian]
[guardian.halts]
symbol = ["4h 0.5 USDT"]
day = "0.5 USDT"
unrealized = true
[robots.mm]
strategy = "maker.py"
account = "main"
"""
IDLE = """
from onetape import Strategy


class Idle(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
"""


def held(home: Home) -> float:
    return sum(float(each["qty"]) for each in home.run("positions"))


def test_a_limit_that_is_lost_halts_by_itself_and_until_it_is_lifted_only_reductions_pass(tmp_path):
    with Home(tmp_path, CONFIG, IDLE) as home:
        home.run("up")
        wait_for(lambda: "profit 0.00 USDT" in table(home.run("status")))
        home.run("send", "gateway:main", "kill", "reason=lunch")
        wait_for(lambda: "account main  kill switch on: lunch" in table(home.run("status")))
        home.run("send", "gateway:main", "unkill")
        wait_for(lambda: home.run("status")["killed"] == {})
        home.buy(SYMBOL, "0.05")  # its fee is more than may be lost
        halts = wait_for(lambda: both if len(both := home.run("halts", "ls")) == 2 else None)
        assert {each["scope"] for each in halts} == {"symbol", "system"}
        assert all(each["actor"] == "guardian" for each in halts)
        wait_for(lambda: "halt symbol" in str(home.run("alerts", "ls")))
        for name in ("guardian", "gateway:main"):
            home.kill(name)
        ids = {each["id"] for each in halts}
        home.run("status")  # whose gateway is away is no error
        wait_for(lambda: {each["id"] for each in home.run("halts")} == ids)
        assert refused(home) == LossHalt.code
        home.run("halts", "level", "3", "--reason", "by hand")
        wait_for(lambda: home.run("status")["halts"] == home.run("halts"))  # what is lost moves with the market
        *_, system, more = danger = table(home.run("status")).splitlines()
        assert danger[-3] == "account main  danger level 3 until it is lifted: by hand"
        assert re.fullmatch(r"system  danger level 2 until it is lifted: day.*", system)
        assert more == "above danger level 0, symbols and sub-accounts: 1 (onetape halts)"
        home.run("halts", "level", "0", "--reason", "mended")
        home.run("sell", SYMBOL, "0.05")  # all of it: what is held goes on to lose what a limit allows
        wait_for(lambda: held(home) == 0)
        wait_for(lambda: lifted(home))
        assert home.run("status")["halts"] == []
        wait_for(lambda: bought(home))
        home.run("down")


def lifted(home: Home) -> bool:
    """No halt stands. Those that do are lifted: one that began by the sale's fee may come after the first look."""
    halts = home.run("halts")
    for each in halts:
        home.run("halts", "lift", each["id"], "--reason", "looked at it")
    return not halts


def refused(home: Home) -> int:
    """The number of the error that a purchase gets, once there is a gateway."""
    return int(home.run("buy", SYMBOL, "0.01", code=5)["error"]["code"])


def test_nothing_is_opened_while_no_guardian_watches_and_reductions_pass(tmp_path):
    with Home(tmp_path, CONFIG.replace("0.5 USDT", "500 USDT"), IDLE) as home:
        up = home.run("up")
        home.buy(SYMBOL, "0.01")
        wait_for(lambda: held(home) == 0.01)
        pids = {each["name"]: each["pid"] for each in up["processes"]}
        os.kill(pids["supervisor"], signal.SIGKILL)  # nobody starts another one
        os.kill(pids["guardian"], signal.SIGKILL)
        try:
            wait_for(lambda: command_line(["buy", SYMBOL, "0.01", "--dry-run"], home.folder)[0] == 5)
            assert refused(home) == NoGuardian.code
            assert "its process has ended: nothing new is opened" in said(home)  # and not its lease, seconds later
            home.run("sell", SYMBOL, "0.004")
            wait_for(lambda: held(home) == 0.006)
        finally:
            home.run("up")
        wait_for(lambda: bought(home))
        home.run("down")


def said(home: Home) -> str:
    with JournalReader(home.home / "journal" / "gateway-main") as reader:
        return str([msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("health",))])


def bought(home: Home) -> bool:
    before = held(home)
    command_line(["buy", SYMBOL, "0.002"], home.folder)  # refused until the lease is there
    return held(home) > before

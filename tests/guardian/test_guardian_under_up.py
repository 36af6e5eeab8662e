"""The guardian among the processes of a configuration: its stops rest at the simulated exchange,
stand while processes are killed, and go when the position has gone."""

from __future__ import annotations

import os
import shutil
import signal

import msgspec

from onetape.cli.main import run as run_command
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.supervised import Home

SYMBOL = "binance:BTC/USDT:USDT"
HOLD = """
from onetape import Strategy


class Hold(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")
        self.log("started", works=len(self.orders()))

    def on_timer(self, name):
        if self.quote(self.symbol) is not None and not self.memory.get("done"):
            self.memory["done"] = True
            self.buy(self.symbol, 0.03)
"""
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
[guardian]
[robots.mm]
strategy = "maker.py"
account = "main"
"""


def levels(home: Home) -> list[dict]:
    found = home.run("stops")
    return found[0]["levels"] if found else []


def began(home: Home) -> list[int]:
    """How many orders each life of the robot has begun with."""
    found = []
    for run in sorted((home.home / "runs").iterdir(), key=lambda each: each.stat().st_mtime):
        with JournalReader(run / "journal") as reader:
            logs = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("log",))]
        found += [each["fields"]["works"] for each in logs if each["text"] == "started"]
    return found


def protected(home: Home) -> list[dict]:
    """The levels, once the venue itself has said that it has them all."""
    (row,) = home.run("stops") or [None]
    if row is None or row["verified_age_ms"] is None or len(row["levels"]) != 5:
        return []
    return row["levels"] if round(sum(float(each["qty"]) for each in row["levels"]), 9) == 0.03 else []


def test_stops_of_the_guardian_outlive_robot_gateway_and_guardian(tmp_path):
    with Home(tmp_path, CONFIG, HOLD) as home:
        up = home.run("up")
        assert "guardian" in {each["name"] for each in up["processes"]}
        placed = wait_for(lambda: protected(home))
        assert [each["distance"] for each in placed] == ["5.00%", "5.50%", "6.00%", "6.50%", "7.00%"]
        ids = {each["venue_id"] for each in placed}
        assert began(home) == [0]
        for name in ("robot:mm", "gateway:main", "guardian"):
            home.kill(name)
        after = wait_for(lambda: protected(home))
        assert {each["venue_id"] for each in after} == ids  # they are those, and not new ones
        assert began(home) == [0, 0]  # the stops are no orders of the robot's
        # One whose journal is lost is no earlier one: it gets the lease, adopts the stops, and robots may open.
        pids = {each["name"]: each["pid"] for each in home.status()["processes"]}
        for name in ("supervisor", "guardian"):
            os.kill(pids[name], signal.SIGKILL)
        shutil.rmtree(home.home / "journal" / "guardian")
        home.run("up")
        assert ids == {each["venue_id"] for each in wait_for(lambda: protected(home))}
        home.buy(SYMBOL, "0.002")
        home.run("flatten", "--symbol", SYMBOL)
        wait_for(lambda: not home.run("positions")[0]["qty"].strip("0."))
        wait_for(lambda: not levels(home))
        home.run("down")


def test_stops_of_a_system_that_is_down_say_why_they_protect_nothing(tmp_path, capsys):
    with Home(tmp_path, CONFIG, HOLD) as home:
        home.run("up")
        wait_for(lambda: protected(home))
        options = ("--home", str(home.home), "--config", str(home.folder / "onetape.toml"))
        assert run_command(["stops", *options]) == 0
        assert "guardian" not in capsys.readouterr().out
        home.run("down")
        assert run_command(["stops", *options]) == 0
        text = capsys.readouterr().out
        assert " 0.00% " in text and "ACCEPTED" in text and "no guardian runs" in text

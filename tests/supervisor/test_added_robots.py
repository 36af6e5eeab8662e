"""Robots that are added while everything runs: there after the supervisor's death and after the
next `up`, gone when they were taken away."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from onetape.model.config import parse_config, with_robot
from onetape.model.errors import BadConfig
from worlds.supervised import CONFIG, Home, is_there

IDLE = """
from onetape import Strategy


class Idle(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
"""
TWO = CONFIG.replace("{ a = 2 }", "{ a = 2, b = 3 }")
ADD = ("send", "supervisor", "add_robot")


def states(home: Home) -> dict[str, str]:
    return {p["name"]: p["state"] for p in home.now()["processes"] if p["kind"] == "robot"}


def test_an_added_robot_is_there_until_it_is_taken_away(tmp_path: Path):
    with Home(tmp_path, TWO, IDLE) as home:
        home.run("up")
        answer = home.run(*ADD, "name=two", "strategy=maker.py", "subaccount=b", "size=0.5", "--id", "1")
        assert answer["result"]["process"] == "robot:two"
        home.wait_for(lambda: states(home).get("robot:two") == "running")
        second = home.run(*ADD, "name=two", "strategy=maker.py", "subaccount=b", "size=0.5", "--id", "1")
        assert second["status"] == "duplicate"
        assert home.run("params", "robot:two")["size"]["value"] == 0.5
        refuse(home)

        # One that trades what nobody did: its gateway follows it, the other robots stay.
        first, gateway = home.process("robot:mm")["pid"], home.process("gateway:main")["pid"]
        home.run(*ADD, "name=eth", "strategy=maker.py", "symbol=binance:ETH/USDT:USDT")
        home.wait_for(lambda: states(home).get("robot:eth") == "running")
        assert home.process("robot:mm")["pid"] == first
        assert home.process("gateway:main")["pid"] != gateway

        # A strategy that cannot take what it was given says so.
        home.run(*ADD, "name=bad", "strategy=maker.py", "colour=red")
        home.wait_for(lambda: states(home).get("robot:bad") == "failed")
        assert "unknown parameter 'colour'" in home.process("robot:bad")["reason"]
        assert home.run("send", "supervisor", "remove_robot", "name=bad")["status"] == "applied"

        supervisor, two = home.process("supervisor")["pid"], home.process("robot:two")["pid"]
        os.kill(supervisor, signal.SIGKILL)
        home.wait_for(lambda: not is_there(supervisor))
        home.run("up")
        assert home.process("robot:two")["pid"] == two
        home.run("down")
        home.run("up")
        assert states(home) == dict.fromkeys(("robot:mm", "robot:two", "robot:eth"), "running")
        assert home.run("params", "robot:two")["size"]["value"] == 0.5
        assert home.run("send", "supervisor", "remove_robot", "name=two")["status"] == "applied"
        home.wait_for(lambda: states(home)["robot:two"] == "stopped")
        assert (home.now()["added"], home.now()["removed"]) == (["eth"], ["robot:two"])
        home.run("down")

        # The configuration's own robot of that name is the one that counts.
        own = '[robots.eth]\nstrategy = "maker.py"\naccount = "main"\n'
        (tmp_path / "onetape.toml").write_text(TWO + own)
        home.run("up")
        assert states(home) == dict.fromkeys(("robot:mm", "robot:eth"), "running")
        assert "robot eth, which was added, is left out" in home.log()
        home.run("down")


def refuse(home: Home) -> None:
    """One line and a code each."""
    strategy = "strategy=maker.py"
    for fields, words in (
        (("name=two", strategy), "there is a robot `two`"),
        (("name=mm", strategy), "there is a robot `mm`"),
        (("name=operator", strategy), "a robot cannot be called"),
        ((strategy,), "no name"),
        (("name=../x", strategy), "'../x' is no name"),  # files are named after it
        (("name=x",), "missing"),
        (("name=x", "strategy=gone.py"), "no strategy file gone.py"),
        (("name=x", strategy, "account=other"), "no account `other`"),
        (("name=x", strategy, "subaccount=z"), "has no sub-account `z`"),
        (("name=x", strategy, "on_error=hope"), "hope"),
        (("name=x", strategy, "params=[1]"), "params is a table"),
    ):
        answer = home.run(*ADD, *fields, code=2)
        assert answer["status"] == "refused", fields
        assert words in answer["error"]["message"], answer
    answer = home.run("send", "supervisor", "remove_robot", "name=mm", code=2)
    assert "no robot 'mm' was added" in answer["error"]["message"]
    assert set(states(home)) == {"robot:mm", "robot:two"}


def test_a_section_is_checked_as_the_configuration_is():
    config = parse_config(TWO)
    made = with_robot(config, "x", {"strategy": "s.py", "account": "main", "params": {"a": 1}}, location="add_robot")
    assert made.robots["x"].params == {"a": 1}
    assert list(config.robots) == ["mm"]
    with pytest.raises(BadConfig, match="add_robot"):
        with_robot(made, "x", {"strategy": "s.py", "account": "main"}, location="add_robot")
    with pytest.raises(BadConfig, match="unknown key"):
        with_robot(config, "y", {"strategy": "s.py", "account": "main", "zoo": 1}, location="add_robot")
    for name in ("../x", "a/b", ".hidden", "two\nlines", "x" * 65):
        with pytest.raises(BadConfig, match="is no name"):
            with_robot(config, name, {"strategy": "s.py", "account": "main"}, location="add_robot")
    with pytest.raises(BadConfig, match="is no name"):
        parse_config('[venues.x]\nkind = "binance-usdm"\n[accounts."../a"]\nvenue = "x"\n')

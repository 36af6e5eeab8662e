"""Robots and collectors that are added while everything runs: there after the supervisor's death and after the
next `up`, gone when they were taken away. `up` with a changed file does what it can, and says what it cannot."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from onetape.model.config import parse_config, with_entry
from onetape.model.errors import BadConfig
from worlds.command_lines import command_line
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
    made = with_entry(
        config, "robots", "x", {"strategy": "s.py", "account": "main", "params": {"a": 1}}, location="add_robot"
    )
    assert made.robots["x"].params == {"a": 1}
    assert list(config.robots) == ["mm"]
    with pytest.raises(BadConfig, match="add_robot"):
        with_entry(made, "robots", "x", {"strategy": "s.py", "account": "main"}, location="add_robot")
    with pytest.raises(BadConfig, match="unknown key"):
        with_entry(config, "robots", "y", {"strategy": "s.py", "account": "main", "zoo": 1}, location="add_robot")
    for name in ("../x", "a/b", ".hidden", "two\nlines", "x" * 65):
        with pytest.raises(BadConfig, match="is no name"):
            with_entry(config, "robots", name, {"strategy": "s.py", "account": "main"}, location="add_robot")
    with pytest.raises(BadConfig, match="is no name"):
        parse_config('[venues.x]\nkind = "binance-usdm"\n[accounts."../a"]\nvenue = "x"\n')


FEEDS = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
[collectors.one]
venue = "x"
symbols = ["binance:BTC/USDT:USDT"]
[hub]
"""
ETH = "binance:ETH/USDT:USDT"


def fed(home: Home) -> set[str]:
    """Who feeds which symbol of the hub's market; none while the hub is restarted."""
    code, shown, _ = command_line(["feeds", "--json"], home.folder)
    rows = [] if code else json.loads(shown)
    return {f"{row['source']} {row['symbol']}" for row in rows if row["state"] == "healthy"}


def test_an_added_collector_feeds_the_hub_until_it_is_taken_away(tmp_path: Path):
    with Home(tmp_path, FEEDS) as home:
        home.run("up")
        add = ("send", "supervisor", "add_collector", "name=two", "venue=x", f"symbols={ETH}")
        assert home.run(*add)["result"]["process"] == "collector:two"
        home.wait_for(lambda: f"two {ETH}" in fed(home))
        for words, code, why in (
            (("add_collector", "name=two", "venue=x"), 2, "there is a collector `two`"),
            (("add_collector", "name=three", "venue=z"), 2, "no venue `z`"),
            (("add_collector", "name=three", "venue=x", "zoo=1"), 2, "zoo"),
            (("remove_collector", "name=one"), 2, "those that were: two"),
        ):
            assert why in home.run("send", "supervisor", *words, code=code)["error"]["message"]
        home.run("down")
        home.run("up")
        assert home.process("collector:two")["state"] == "running"
        home.wait_for(lambda: f"two {ETH}" in fed(home))
        assert home.run("send", "supervisor", "remove_collector", "name=two")["status"] == "applied"
        home.wait_for(lambda: home.process("collector:two")["state"] == "stopped")
        home.wait_for(lambda: fed(home) == {"one binance:BTC/USDT:USDT"})
        home.run("down")


def test_up_applies_what_has_changed_in_the_file_and_names_what_it_did_not(tmp_path: Path):
    robot = '[robots.mm]\nstrategy = "maker.py"\naccount = "main"\n'
    two = f'[collectors.two]\nvenue = "x"\nsymbols = ["{ETH}"]\n'

    def up(text: str, code: int = 0):
        (tmp_path / "onetape.toml").write_text(text)
        return home.run("up", code=code)

    with Home(tmp_path, FEEDS) as home:
        home.run("up")
        gateway = home.process("gateway:main")["pid"]
        done = up(FEEDS + robot + two)
        assert done["applied"] == {"robot:mm": "added", "collector:two": "added"}
        assert (done["changed"], done["refused"]) == ({}, {})
        assert home.process("robot:mm")["state"] == "running"
        home.wait_for(lambda: f"two {ETH}" in fed(home))

        # Robots are restarted by hand: that is the operator's decision. A gateway stays, and so does a refused section.
        first = home.process("robot:mm")["pid"]
        done = up(
            FEEDS.replace("[accounts.main]", "[accounts.main]\nopen_orders_max = 50")
            + robot
            + two
            + 'on_error = "stop"\n',
            2,
        )
        assert "on_error" in done["error"]["message"]
        done = up(
            FEEDS.replace('venue = "x"\nsymbols', 'venue = "x"\nklines = ""\nsymbols')
            + robot
            + 'on_error = "flatten"\n'
            + two
        )
        assert done["applied"] == {"collector:one": "restarted"}
        assert done["changed"] == {"robots.mm.on_error": "robot:mm"}
        assert home.process("robot:mm")["pid"] == first

        done = up(FEEDS)
        assert done["applied"] == {"robot:mm": "removed", "collector:two": "removed", "collector:one": "restarted"}
        home.wait_for(lambda: home.process("robot:mm")["state"] == "stopped")
        done = up(FEEDS.replace("[collectors.one]", "[collectors.other]"))
        assert done["applied"] == {"collector:other": "added", "collector:one": "removed"}
        (reason,) = up(FEEDS[: FEEDS.index("[collectors")] + "[hub]\n")["refused"].values()
        assert "the hub has no other collector" in reason
        assert home.process("gateway:main")["pid"] == gateway
        home.run("down")

"""Verbs that stop or show what runs need its home alone: a configuration file that is broken, or gone, does not keep
anybody from his emergency stop."""

from __future__ import annotations

import json

import pytest

from onetape.model.config import parse_config
from onetape.store.config import keep_config, kept_config
from worlds.command_lines import command_line
from worlds.supervised import CONFIG, Home

SHOWN = (
    ("status",),
    ("positions",),
    ("orders",),
    ("stops",),
    ("accounts",),
    ("fills",),
    ("logs",),
    ("halts",),
    ("alerts", "ls"),
    ("alerts", "ls", "--all"),
)
ACTS = (
    ("cancel", "--all"),
    ("close", "binance:BTC/USDT:USDT"),
    ("send", "gateway", "kill", "reason=test"),
    ("flatten",),
)


def test_emergency_verbs_need_the_home_alone(tmp_path):
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        home.buy("binance:BTC/USDT:USDT", "0.01")
        broken = (tmp_path / "onetape.toml").read_text() + "bogus = 1\n[[[\n"
        (tmp_path / "onetape.toml").write_text(broken)
        for verb in SHOWN:
            assert command_line([*verb, "--json"], tmp_path)[0] == 0, verb
        assert [each["symbol"] for each in home.run("positions")] == ["binance:BTC/USDT:USDT"]
        code, reported, said = command_line(["positions", "--json"], tmp_path)
        assert (code, "onetape.toml" in said) == (0, True), (reported, said)
        (tmp_path / "onetape.toml").unlink()
        for verb in SHOWN:
            assert command_line([*verb, "--json"], tmp_path)[0] == 0, verb
        for verb in ACTS:
            home.run(*verb)
        assert not any(float(each["qty"]) for each in home.run("positions"))
        home.run("down")
    (tmp_path / "onetape.toml").write_text(broken)
    code, reported, _ = command_line(["up", "--json"], tmp_path)
    assert code == 2 and json.loads(reported)["error"]["name"] == "BAD_CONFIG"


@pytest.mark.parametrize("more", ["", '[guardian]\nhard_stop = "9%"\n', '[notify]\nurls = ["env:ALERTS"]\n'])
def test_a_home_keeps_the_configuration_as_it_is(tmp_path, more):
    config = parse_config(CONFIG + more)
    keep_config(tmp_path, config)
    assert kept_config(tmp_path) == config
    assert (tmp_path / "run" / "config.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "run" / "config.json").write_text("{")
    assert kept_config(tmp_path) is None

"""A run that is given its fees has none by default: neither in its assumptions nor in run.toml."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from worlds.command_lines import command_line

BUYS = """
from onetape import Strategy


class Buys(Strategy):
    def on_start(self):
        self.subscribe("binance:BTC/USDT:USDT", quotes=True)
"""
FEES = {"maker_fee", "taker_fee", "fee_tiers"}


@pytest.mark.parametrize("options", [(), ("--fee", "0.0001,0.0002"), ("--fee", "binance=0.0001,0.0002")])
def test_fees_that_are_given_are_no_defaults(tmp_path: Path, options: tuple[str, ...]):
    (tmp_path / "buys.py").write_text(BUYS)
    assert command_line(["sample", "--out", "t.tape", "--events", "500"], tmp_path)[0] == 0
    code, said, error = command_line(["backtest", "buys.py", "--data", "t.tape", *options, "--json"], tmp_path)
    assert code == 0, error
    document = tomllib.loads((Path(json.loads(said)["run"]) / "run.toml").read_text())
    (line,) = [each for each in document["assumptions"]["lines"] if "maker," in each]
    defaults = set(line.partition("defaults: ")[2].split(", "))
    assert defaults == set(document["instrument"][0]["defaulted"])
    assert ("maker_fee" in defaults) == (not options)
    assert not options or not defaults & FEES

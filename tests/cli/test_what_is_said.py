"""What a command says beside its figures, where a reader would take them for others."""

from __future__ import annotations

import json
import shutil

import pytest

from onetape.data.sample import write_sample

HOLDS = """
from onetape import Strategy


class Holds(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.02

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, q):
        if not self.memory.get("done"):
            self.memory["done"] = True
            self.buy(self.symbol, self.size)
"""


@pytest.mark.parametrize(
    "verb", ["flatten", "cancel --all", "buy binance:BTC/USDT:USDT 1", "positions", "orders", "fills", "stops"]
)
def test_without_a_configuration_nobody_is_said_to_be_flat(onetape, verb):
    done = onetape(*verb.split())
    assert (done.code, done.out) == (2, "")
    assert "so no account is known" in done.err


def test_a_run_says_what_it_holds_at_its_end(onetape, tmp_path):
    (tmp_path / "holds.py").write_text(HOLDS)
    write_sample(tmp_path / "a.tape", events=500, seed=1)
    run = ("backtest", "holds.py", "--data", "a.tape", "--force", "--out", "run")
    assert onetape(*run, "--json").value["held"] == {"binance:BTC/USDT:USDT": "0.020"}
    assert "0.020 binance:BTC/USDT:USDT" in onetape(*run).out.partition("still holds")[2]
    assert "held" not in onetape(*run, "--json", "--param", "symbol=binance:ETH/USDT:USDT", "--param", "size=0.0").value


def test_runs_on_different_data_are_said_to_be(onetape, tmp_path):
    (tmp_path / "holds.py").write_text(HOLDS)
    for name, seed in (("a", 1), ("b", 2)):
        write_sample(tmp_path / f"{name}.tape", events=500, seed=seed)
        onetape("backtest", "holds.py", "--data", f"{name}.tape", "--out", name, "--json")
    onetape("backtest", "holds.py", "--data", "a.tape", "--out", "more", "--param", "size=0.01", "--json")
    apart, alike = onetape("compare", "a", "b"), onetape("compare", "a", "more", "--report", "page.html")
    assert ("different data" in apart.out, "different data" in alike.out) == (True, False)
    assert "page.html" in alike.out
    assert json.loads(onetape("compare", "a", "b", "--json").out)["same_data"] is False
    shutil.rmtree(tmp_path / "a.tape")
    write_sample(tmp_path / "a.tape", events=500, seed=3)  # another tape of the same name
    onetape("backtest", "holds.py", "--data", "a.tape", "--out", "anew", "--json")
    assert onetape("compare", "a", "anew", "--json").value["same_data"] is False


def test_a_token_goes_into_a_file_of_its_own_alone(onetape, tmp_path):
    make = ("token", "create", "agent", "--scope", "read", "--out", "agent.token")
    made = onetape(*make)
    token = (tmp_path / "agent.token").read_text().strip()
    assert (made.code, (tmp_path / "agent.token").stat().st_mode & 0o777) == (0, 0o600)
    assert token and token not in made.out + made.err
    onetape("token", "revoke", "agent")
    assert onetape(*make).code == 3  # the file is somebody's already
    assert [each["state"] for each in onetape("token", "ls", "--json").value] == []


def test_a_quantity_below_0_is_no_option(onetape):
    assert "a number below 0 is not allowed here" in onetape("buy", "binance:BTC/USDT:USDT", "-0.01").err

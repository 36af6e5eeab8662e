"""`--impact`: a run with it, what it says of itself, and that it is repeated."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape.cli.main import run as command
from onetape.engine.impact import Impact, parse_impact
from onetape.engine.plan import read_plan
from onetape.model.errors import BadConfig
from onetape.model.time import HOUR, MINUTE
from onetape.runs.pushed_fills import read_pushed_fills
from onetape.runs.tca import CAUSES, costs_of
from worlds.tapes import Market

BTC = "binance:BTC/USDT:USDT"
TURNS = """
from onetape import Strategy{more}

{decorator}
class Turns(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    n: int = 0
    size: float = 3.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.n += 1
        if self.n > 30 and self.n % 8 in (0, 2):
            self.buy(self.symbol, self.size)
        if self.n > 30 and self.n % 8 in (4, 6):
            self.sell(self.symbol, self.size)
"""


def tape(path: Path, *, trades: bool = True) -> Path:
    """Two minutes whose mid goes up and down by 10 each second, with a trade of 2 each second."""
    market = Market(path)
    for second in range(1, 121):
        price = 60_000 + 10 * (second % 2)
        market.quote(second, price, price + 1)
        if trades:
            market.trade(second + 0.5, price, 2.0)
    return market.done()


def backtest(
    home: Path, data: Path, *more: str, name: str = "run", code: str = "", capfd: Any = None
) -> dict[str, Any]:
    file = home / "turns.py"
    file.write_text(code or TURNS.format(more="", decorator=""))
    line = ["backtest", str(file), "--data", str(data), "--home", str(home), "--json", "--out", name, "--latency", "0"]
    capfd.readouterr()
    status = command([*line, "--cash", "10000000 USDT", *more])
    return {**json.loads(capfd.readouterr().out), "status": status}


LAW = ("--impact", "coefficient=1,halflife=10s,window=1m")


def test_the_run_costs_what_it_says_and_nothing_else_changes(tmp_path, capfd) -> None:
    data = tape(tmp_path / "tape")
    plain = backtest(tmp_path, data, "--no-stress", name="plain", capfd=capfd)
    pushed = backtest(tmp_path, data, "--no-stress", *LAW, capfd=capfd)
    assert (plain["orders"], plain["fills"], plain["action_hash"]) == (
        pushed["orders"],
        pushed["fills"],
        pushed["action_hash"],
    )
    assert "impact" not in plain and pushed["impact"]["fills"] > 10 and pushed["impact"]["unmeasured"] == 0
    cost = Decimal(pushed["impact"]["cost"]["USDT"])
    fees = Decimal(pushed["fees"]) - Decimal(plain["fees"])
    assert cost > 0 and Decimal(plain["pnl"]) - Decimal(pushed["pnl"]) == cost + fees


def test_it_stands_in_the_run_and_is_repeated(tmp_path, capfd) -> None:
    backtest(tmp_path, tape(tmp_path / "tape"), *LAW, "--stress", capfd=capfd)
    folder = tmp_path / "runs" / "run"
    plan, document = read_plan(folder)
    assert plan.impact == Impact(1.0, 10 * 10**9, 0.0, MINUTE)
    assert document["model"]["impact"] == "coefficient=1.0,halflife=10s,permanent=0.0,window=1m"
    lines = dict(zip(document["assumptions"]["lines"], document["assumptions"]["bias"], strict=True))
    (line,) = [each for each in lines if "own taker fills move the market" in each]
    assert lines[line] == "hurts"
    assert f"{document['result']['impact']['fills']} fills had a worse price" in line
    size = document["assumptions"]["size"][document["assumptions"]["lines"].index(line)]
    assert size == f"cost {document['result']['impact']['cost']['USDT']} USDT"
    assert command(["replay", str(folder), "--verify", "--home", str(tmp_path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["divergences"] == 0


def test_a_replay_without_it_would_not_be_the_run(tmp_path, capfd) -> None:
    """The proof sees it: without the line in run.toml other fills come."""
    backtest(tmp_path, tape(tmp_path / "tape"), *LAW, "--no-stress", capfd=capfd)
    file = tmp_path / "runs" / "run" / "run.toml"
    text = file.read_text()
    assert text.count("impact = ") == 1
    file.write_text("\n".join(each for each in text.splitlines() if not each.startswith("impact = ")))
    assert command(["replay", "run", "--verify", "--home", str(tmp_path), "--json"]) == 4


def test_the_stress_table_has_the_run_without_it(tmp_path, capfd) -> None:
    data = tape(tmp_path / "tape")
    plain = backtest(tmp_path, data, "--no-stress", name="plain", capfd=capfd)
    stress = {row["name"]: row for row in backtest(tmp_path, data, *LAW, "--stress", capfd=capfd)["stress"]}
    assert stress["no own impact"]["pnl"] == pytest.approx(float(plain["pnl"]))


def test_costs_tell_own_push_from_drift(tmp_path, capfd) -> None:
    data = tape(tmp_path / "tape")
    backtest(tmp_path, data, "--no-stress", name="plain", capfd=capfd)
    found = backtest(tmp_path, data, "--no-stress", *LAW, capfd=capfd)
    runs = tmp_path / "runs"
    plain, pushed = ({row["cause"]: row for row in costs_of(runs / name).causes()} for name in ("plain", "run"))
    assert "own_push" not in plain and "drift" not in plain
    amounts = {name: Decimal(row["amount"]) for name, row in pushed.items()}
    assert amounts["own_push"] == Decimal(found["impact"]["cost"]["USDT"])
    assert amounts["own_push"] + amounts["drift"] == amounts["impact"]
    assert sum(amounts[name] for name in CAUSES) == amounts["shortfall"]
    assert amounts["drift"] == Decimal(plain["impact"]["amount"])
    assert amounts["spread"] == Decimal(plain["spread"]["amount"])
    assert len(read_pushed_fills(runs / "run")) == found["impact"]["fills"]
    assert read_pushed_fills(runs / "plain") is None
    assert command(["tca", "run", "--home", str(tmp_path)]) == 0
    assert "own_push" in capfd.readouterr().out


def test_a_compiled_strategy_meets_the_same_market(tmp_path, capfd) -> None:
    pytest.importorskip("numba")
    data = tape(tmp_path / "tape")
    code = TURNS.format(more=", compiled", decorator="@compiled")
    fast = backtest(tmp_path, data, *LAW, "--no-stress", code=code, name="fast", capfd=capfd)
    slow = backtest(tmp_path, data, *LAW, "--no-stress", "--interpret", code=code, name="slow", capfd=capfd)
    assert fast["impact"]["fills"] > 10
    names = ("fills", "pnl", "action_hash", "impact")
    assert [fast[name] for name in names] == [slow[name] for name in names]


def test_data_without_a_volume_are_refused(tmp_path, capfd) -> None:
    data = tape(tmp_path / "tape", trades=False)
    refused = backtest(tmp_path, data, *LAW, capfd=capfd)
    assert refused["status"] == 2
    assert refused["error"]["name"] == "BAD_CONFIG"
    assert f"{BTC} has quotes or depth without trades" in refused["error"]["message"]


def test_a_paper_run_takes_it(tmp_path, capfd) -> None:
    data = tape(tmp_path / "tape")
    file = tmp_path / "turns.py"
    file.write_text(TURNS.format(more="", decorator=""))
    line = ["run", str(file), "--paper", "--data", str(data), "--speed", "1e9", "--home", str(tmp_path), "--json"]
    assert command([*line, "--out", "paper", "--latency", "0", "--cash", "10000000 USDT", *LAW]) == 0
    paper = json.loads(capfd.readouterr().out)
    done = backtest(tmp_path, data, *LAW, "--no-stress", capfd=capfd)
    assert (paper["pnl"], paper["impact"]) == (done["pnl"], done["impact"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("off", None),
        ("sqrt", Impact(1.0, 30 * MINUTE, 0.0, HOUR)),
        ("coefficient=0.7,halflife=5m", Impact(0.7, 5 * MINUTE, 0.0, HOUR)),
        (" permanent = 0.25 , window=1d ", Impact(1.0, 30 * MINUTE, 0.25, 24 * HOUR)),
    ],
)
def test_the_option_is_read(text: str, wanted: Impact | None) -> None:
    assert parse_impact(text) == wanted
    assert wanted is None or parse_impact(str(wanted)) == wanted


NONSENSE = """
root|coefficient|coefficient=|coefficient=0|coefficient=-1|coefficient=nan|coefficient=1e9|halflife=0s|halflife=5
halflife=400d|permanent=1.1|permanent=-0.1|window=10ns|sqrt,window=1h|coefficient=1,coefficient=2
"""


@pytest.mark.parametrize("text", ["", *NONSENSE.strip().replace("\n", "|").split("|")])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="--impact"):
        parse_impact(text)


def test_runs_from_before_it_have_none(tmp_path, capfd) -> None:
    backtest(tmp_path, tape(tmp_path / "tape"), "--no-stress", capfd=capfd)
    folder = tmp_path / "runs" / "run"
    assert read_plan(folder)[0].impact is None
    model = tomllib.loads((folder / "run.toml").read_text())["model"]
    assert "impact" not in model

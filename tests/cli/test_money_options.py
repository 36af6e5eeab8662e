"""The options of `backtest` that decide money: taken as text, kept in run.toml, refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from worlds.tapes import Market

IDLE = """
from onetape import Strategy


class Idle(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.sent = False

    def on_quote(self, q):
        if not self.sent:
            self.sent = True
            self.buy(self.symbol, 1, position_side="long")
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    market = Market(tmp_path / "a.tape")
    for second in range(5):
        market.quote(second, 59_999.9, 60_000)
    code = tmp_path / "idle.py"
    code.write_text(IDLE)
    return code, market.done()


def test_all_of_them_reach_the_run_and_its_replay(onetape, files, tmp_path: Path) -> None:
    code, tape = files
    done = onetape(
        "backtest", code, "--data", tape, "--json", "--out", "run", "--leverage", "10",
        "--margin", "isolated", "--hedge", "--fee-volume", "1_000_000", "--order-rate", "300/10s",
        "--trigger-delay", "2ms", "--borrow", "USDT=0.00001", "--latency", "0",
        "--closed", "binance@2026-01-02T00:00:00Z..2026-01-02T01:00:00Z,cancel",
        "--closed", "2026-01-03T00:00:00Z..2026-01-03T01:00:00Z",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (done.value["fills"], done.value["liquidations"]) == (1, 0)
    assert (done.value["liquidation_fees"], done.value["interest"]) == ("0", "0")
    kept = (Path(done.value["run"]) / "run.toml").read_text()
    for line in (
        'margin = "isolated"',
        "hedge = true",
        'fee_volume = "1000000"',
        "order_rate = [300, 10000000000]",
        "trigger_delay = 2000000",
        'borrow = ["USDT=0.00001"]',
        '"binance@2026-01-02T00:00:00Z..2026-01-02T01:00:00Z,cancel"',
    ):
        assert line in kept
    replay = onetape("replay", done.value["run"], "--verify", "--json")
    assert (replay.code, replay.value["divergences"]) == (0, 0)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--fee-volume", "-1"),
        ("--fee-volume", "much"),
        ("--order-rate", "300"),
        ("--trigger-delay", "soon"),
        ("--closed", "2026-01-02"),
        ("--borrow", "USDT"),
        ("--leverage", "126"),
    ],
)
def test_a_wrong_one_is_named_and_leaves_nothing(onetape, files, tmp_path, option, text) -> None:
    code, tape = files
    facts = tmp_path / "facts.toml"
    facts.write_text(
        '[[instrument]]\nsymbol = "binance:BTC/USDT:USDT"\n'
        "brackets = [{ notional_max = 50000, maintenance_rate = 0.004, leverage_max = 125 }]\n"
    )
    done = onetape("backtest", code, "--data", tape, "--json", "--instruments", facts, option, text)
    assert done.code == 2
    assert done.value["error"]["name"] == "BAD_CONFIG"
    assert option in done.value["error"]["message"]
    assert not list((tmp_path / ".onetape" / "runs").glob("*"))


@pytest.fixture
def two_venues(tmp_path: Path) -> tuple[Path, Path]:
    market = Market(tmp_path / "two.tape")
    market.add("kraken:BTC/USD:USD")
    for second in range(5):
        market.quote(second, 59_999.9, 60_000)
        market.quote(second, 59_999.9, 60_000, symbol="kraken:BTC/USD:USD")
    code = tmp_path / "buys.py"
    code.write_text(IDLE.replace(', position_side="long"', ""))
    return code, market.done()


def test_money_and_ways_by_venue_from_the_command(onetape, two_venues) -> None:
    code, tape = two_venues
    call = ("backtest", code, "--data", tape, "--cash", "binance=70000 USDT,kraken=90000 USD")
    done = onetape(
        *call, "--json", "--out", "run", "--latency", "0", "--latency", "kraken=20ms,80ms", "--fee-volume", "kraken=5,7"
    )
    assert done.code == 0, done.err
    rows = {each["venue"]: each for each in done.value["venues"]}
    assert (rows["binance"]["cash"], rows["kraken"]["cash"]) == ("70000", "90000")
    assert (rows["binance"]["volume"], rows["kraken"]["volume"]) == ("60000", "0")
    assert rows["kraken"]["final_equity"] == "90000"
    kept = (Path(done.value["run"]) / "run.toml").read_text()
    for line in (
        'cash = ["binance=70000 USDT", "kraken=90000 USD"]',
        "[model.latencies.kraken]",
        'fee_volume = "7"',
        'fee_volumes = ["kraken=5"]',
    ):
        assert line in kept
    replay = onetape("replay", done.value["run"], "--verify", "--json")
    assert (replay.code, replay.value["divergences"]) == (0, 0)
    shown = onetape(*call, "--out", "shown")
    assert "kraken, USD" in shown.out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--cash", "binance=1 USDT"], "no cash at kraken"),
        (["--cash", "binance=1 USDT,okx=1 USDT"], "no instrument of venue 'okx'"),
        (["--cash", "binance=1 USDT,kraken=1 USDT"], "cash in USDT at kraken"),
        (["--cash", "binance=1 USDT,2 USD"], "'2 USD' names no venue"),
        (["--latency", "okx=1ms"], "no instrument of venue 'okx'"),
        (["--latency", "1ms", "--latency", "2ms"], "a second value"),
        (["--fee-volume", "okx=1"], "no instrument of venue 'okx'"),
    ],
)
def test_a_venue_that_is_not_there_is_named(onetape, two_venues, tmp_path, flags, words) -> None:
    code, tape = two_venues
    done = onetape("backtest", code, "--data", tape, *flags)
    assert done.code == 2
    assert done.out == ""
    (line,) = done.err.strip().splitlines()
    assert line.startswith("error ")
    assert words in line
    assert flags[0] in line
    assert not list((tmp_path / ".onetape" / "runs").glob("*"))

"""Runs whose fees and rules come from the shipped facts of their venue."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from test_money_runs import TRADER, backtest, heard

from onetape.model import catalogue
from onetape.replay.replay import replay_run
from worlds.strategy_files import listener
from worlds.tapes import BTC, Market

KRAKEN = "kraken:BTC/USD"


def shipped(path: Path, symbol: str, seconds: int = 40) -> Path:
    """A tape whose instrument is the catalogue's, as an import would have written it."""
    found = catalogue.find(symbol)
    assert found is not None
    facts = {
        name: getattr(found, name)
        for name in (
            "tick",
            "lot",
            "maker_fee",
            "taker_fee",
            "fee_tiers",
            "amend",
            "amend_triggers",
            "defaulted",
            "price_decimals",
            "size_decimals",
            "maintenance_rate",
        )
    }
    market = Market(path, symbol, **facts)
    for second in range(seconds):
        market.quote(second, 59_999.9, 60_000)
    return market.done()


def trader(symbol: str) -> str:
    return TRADER.replace(BTC, symbol).replace("else -0.5", "else 0.0")


def lines(done) -> str:
    return "\n".join(each.text for each in done.assumptions)


def test_a_backtest_takes_the_venue_s_schedule_unless_fee_is_given(tmp_path) -> None:
    tape = shipped(tmp_path / "kraken.tape", KRAKEN)
    options = {"cash": "1000000 USD", "latency": "0"}
    done = backtest(tmp_path, tape, "run", trader(KRAKEN), fee_volume="9000", **options)
    words = heard(done.run)
    # 30,000 a trade on top of 9,000: beyond 10,000, then beyond 50,000.
    assert [w for w in words if w.startswith("0.")][:3] == ["0.00400", "0.00350", "0.00240"]
    changes = tomllib.loads((done.run / "run.toml").read_text())["fee_change"]
    assert [each["tier"] for each in changes[:2]] == [1, 2]
    assert changes[0]["symbol"] == KRAKEN
    assert (changes[0]["volume_30d"], changes[0]["taker_fee"]) == ("39000", "0.0035")
    said = lines(done)
    assert f"{KRAKEN} tier 1 at 2026-" in said
    assert "fee schedule of kraken: GET /0/public/AssetPairs" in said
    assert "2026-07-02" in said
    assert replay_run(done.run, verify=True)["divergences"] == 0
    flat = backtest(tmp_path, tape, "flat", trader(KRAKEN), fee="0.001,0.002", **options)
    assert {w for w in heard(flat.run) if w.startswith("0.")} == {"0.00200"}
    assert "schedule" not in lines(flat)


def test_a_venue_without_a_dated_schedule_says_so(tmp_path) -> None:
    tape = shipped(tmp_path / "usdm.tape", BTC)
    done = backtest(tmp_path, tape, "run", TRADER, latency="0")
    [line] = [each for each in done.assumptions if each.key == "base tier"]
    assert "base tier of binance" in line.text
    assert line.bias == -1


def test_what_a_tier_asks_beside_volume_is_said_to_flatter(tmp_path) -> None:
    spot = "binance:BTC/USDT"
    tape = shipped(tmp_path / "spot.tape", spot)
    done = backtest(tmp_path, tape, "run", trader(spot), cash="1000000 USDT", latency="0")
    [line] = [each for each in done.assumptions if each.key == "fee schedule"]
    assert "BNB" in line.text
    assert line.bias == 1


AMENDER = listener(
    quote="""
    if self.n == 1: self.order = self.buy(self.symbol, 1, 59_000)
    if self.n == 5: self.amend(self.order, price=59_100)
    """,
    order="self.hear(order.state, order.price, order.code)",
)


@pytest.mark.parametrize(
    ("rule", "last", "said"),
    [
        ("requeues", "ACCEPTED 59100.0 0", "every change loses the place in the queue"),
        ("none", "ACCEPTED 59000.0 4401", "orders cannot be amended"),
    ],
)
def test_the_rule_of_a_file_holds_and_is_said(tmp_path, rule, last, said) -> None:
    facts = tmp_path / "facts.toml"
    facts.write_text(f'[[instrument]]\nsymbol = "{BTC}"\namend = "{rule}"\n')
    tape = shipped(tmp_path / "usdm.tape", BTC)
    done = backtest(tmp_path, tape, "run", AMENDER, instruments=facts, latency="0")
    kept = [word for word in heard(done.run) if "CANCELED" not in word]
    assert kept[-1] == last
    [line] = [each for each in done.assumptions if each.key == "amend"]
    assert said in line.text
    assert ("the venue's rule" in line.text) == (rule == "requeues")
    facts = tomllib.loads((done.run / "run.toml").read_text())["instrument"][0]
    assert facts["amend"] == rule
    assert replay_run(done.run, verify=True)["divergences"] == 0

"""Two accounts of one simulated exchange: whose keys a gateway has, and what it calls the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.venue_process import VenueProcess
from onetape.model.config import parse_config
from onetape.orders.calls import MASTER
from onetape.preflight.findings import ERROR
from onetape.robot.live import LiveOptions, options_at
from onetape.store.config import load_config
from onetape.supervisor.start_check import check_start
from worlds.supervised import Home

CONFIG = """
[venues.binance]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "binance"
[accounts.second]
venue = "binance"
master = "main"
[accounts.third]
venue = "binance"
"""


@pytest.mark.parametrize(
    ("names", "refused", "holder"),
    [
        (["a", "b"], "b", "a"),
        (["third", "main"], "third", "main"),
        (["main", "second", "third"], "third", "main"),
        (["a", "second"], "", ""),
        (["main", "second"], "", ""),
    ],
)
def test_no_two_share_an_account_there(tmp_path, names, refused, holder):
    accounts = "".join(f'[accounts.{name}]\nvenue = "binance"\n' for name in names)
    (tmp_path / "onetape.toml").write_text(f'[venues.binance]\nkind = "binance-usdm"\n{accounts}')
    config = load_config(tmp_path / "onetape.toml", {})
    found = [each for each in check_start(config, tmp_path, tmp_path / "home") if each.state == ERROR]
    assert [each.subject for each in found] == [f"account {refused}"] * bool(refused)
    for each in found:
        assert f"main of the simulated exchange binance, which {holder} uses already" in each.text
        assert f"onetape.toml:{3 + 2 * names.index(refused)}" in each.text and "main and second" in each.todo


def test_an_account_has_the_keys_of_the_one_that_is_called_so(tmp_path):
    venue = VenueProcess(tmp_path / "state", "binance-usdm")
    try:
        keys = {each["name"]: each["key"] for each in venue.ready["accounts"]}
        config = parse_config(CONFIG, name="onetape.toml")
        found = {}
        for name in ("main", "second", "third"):
            request = LiveOptions(
                strategy="", data=(), home=tmp_path / "home", config=config, folder=Path(), account=name, environ={}
            )
            symbols = ["binance:BTC/USDT:USDT"]
            found[name] = options_at(request, venue.ready, symbols, is_new=True)
    finally:
        venue.stop()
    assert found["main"].key == keys["main"]
    assert found["second"].key == keys["second"]
    assert found["third"].key == keys["main"]  # alone it would have the first
    assert found["main"].siblings == {"second": "second", "third": "third"}
    assert found["second"].siblings == {"main": MASTER, "third": "third"}


def test_an_account_of_a_simulated_exchange_begins_in_the_mode_that_the_configuration_says(tmp_path):
    two = CONFIG[: CONFIG.index("[accounts.third]")]
    hedge = two.replace("master", 'position_mode = "hedge"\nmaster')
    symbol = "binance:BTC/USDT:USDT"
    with Home(tmp_path, hedge) as home:
        home.run("up")
        for side, of in (("buy", "long"), ("sell", "short")):
            home.run(side, symbol, "0.01", "--account", "second", "--position-side", of)
        refused = home.run("buy", symbol, "0.01", "--account", "second", code=5)
        assert "second" not in refused and "position side: both" in str(refused)
        home.run("buy", symbol, "0.01", "--account", "main")
        home.kill("venue:binance")

        def held() -> list[tuple[str, str, str]]:
            return [(each["account"], each["side"], each["qty"]) for each in home.run("positions")]

        assert sorted(held()) == [("main", "both", "0.010"), ("second", "long", "0.010"), ("second", "short", "-0.010")]
        home.run("down")
    # What is held keeps its mode: the other one is refused, in its own words.
    with Home(tmp_path, two) as home:
        home.run("up")
        refused = home.run("buy", symbol, "0.01", "--account", "second", code=5)
        assert "the account is in hedge mode, not in one-way mode" in str(refused)
        home.run("down")

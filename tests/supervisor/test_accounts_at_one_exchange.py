"""Two accounts of one simulated exchange: whose keys a gateway has, and what it calls the other."""

from __future__ import annotations

from pathlib import Path

from exchange.venue_process import VenueProcess
from onetape.model.config import parse_config
from onetape.orders.calls import MASTER
from onetape.robot.live import LiveOptions, options_at

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
    assert found["third"].key == keys["main"]  # nobody there is called so
    assert found["main"].siblings == {"second": "second", "third": "third"}
    assert found["second"].siblings == {"main": MASTER, "third": "third"}

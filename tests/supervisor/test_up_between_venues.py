"""`onetape up` with two simulated exchanges: the configuration alone lets money go from one to the
other, with the exchanges and gateways each a process or all in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.venue_client import Virtual
from worlds.supervised import Home

CONFIG = """
[venues.b]
kind = "binance-usdm"
[venues.k]
kind = "kraken"
[accounts.main]
venue = "b"
allow_withdraw = true
withdraw = {{ hedge = {{ BTC = {{ network = "BTC", address = "{address}" }} }} }}
[accounts.hedge]
venue = "k"
"""


@pytest.mark.parametrize("more", [(), ("--single",)], ids=["processes", "single"])
def test_money_goes_where_the_configuration_says(tmp_path: Path, more: tuple[str, ...]) -> None:
    exchange = Virtual("kraken", seed=1).dialect.exchange
    address = exchange.transfers.address_of(exchange.accounts[0], "BTC")

    with Home(tmp_path, CONFIG.format(address=address)) as home:
        home.run("up", *more)

        def send(account: str, *words: str, code: int = 0) -> dict:
            return home.run("send", f"gateway:{account}", *words, code=code)

        def stands(name: str) -> str:
            (row,) = send("main", "transfers", f"id={name}")["result"]["transfers"]
            return row["state"]

        requests = ("transfer", "currency=btc", "amount=0.1", "id=t1")
        assert send("main", *requests, "from=trading", "to=spot")["status"] == "applied"
        home.wait_for(lambda: stands("t1") == "done")
        requests = ("transfer", "currency=btc", "amount=0.1", "id=t2", "from=spot")
        assert send("main", *requests, "to=k.hedge.trading")["status"] == "applied"
        home.wait_for(lambda: stands("t2") == "done")
        home.wait_for(lambda: "1.0999" in str(home.run("accounts")))
        # Nothing there says that money may come back.
        requests = ("transfer", "currency=btc", "amount=0.1", "id=t3", "from=trading")
        answer = send("hedge", *requests, "to=b.main.spot", code=1)
        assert answer["error"]["name"] == "NOT_AVAILABLE"
        home.run("down")

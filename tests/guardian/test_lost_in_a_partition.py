"""Stops whose requests are lost as the network between gateway and venue goes, under a real `up`: once it is back the
venue is asked for each by its id, the position gets stops, and what opens may leave long before their absence is
proven."""

from __future__ import annotations

from urllib.parse import parse_qs

from exchange.venue_client import served
from onetape.clients.gateway import GatewayClient
from onetape.exchange.faults import parse_faults
from onetape.simulation.tcp_proxy import Proxy
from waiting import wait_for
from worlds.gateway_process import SYMBOL, configure
from worlds.supervised import Home

STOPS = "/fapi/v1/algoOrder"
LOST = f'[[fault]]\nmethod = "POST"\npath = "{STOPS}"\naction = "drop_request"\n'


def test_stops_that_were_lost_in_a_partition_are_asked_for_at_once_and_forbid_no_opening(tmp_path):
    with served("binance-usdm", seed=5, faults="# none yet") as (dialect, port), Proxy(port) as network:
        configure(tmp_path, network.port, dialect.exchange.accounts[0], order_entry="rest")
        config = (tmp_path / "onetape.toml").read_text() + f'symbols = ["{SYMBOL}"]\n[guardian]\n'
        with Home(tmp_path, config) as home:
            home.run("up")
            gateway = GatewayClient(home.home, "main")
            dialect.add(parse_faults(LOST), dialect.exchange.now)
            home.buy(SYMBOL, "0.03")
            wait_for(lambda: any(each.fault for each in dialect.received))
            network.set("cut")
            home.wait_for(lambda: not gateway.ask("status")["ready"] and gateway.ask("status")["unknown"])
            dialect.clear(dialect.exchange.now)
            lost = {parse_qs(each.query)["clientAlgoId"][0] for each in dialect.received if each.fault}
            number = dialect.received[-1].number
            network.set("pass")
            home.buy(SYMBOL, "0.01")
            assert gateway.ask("status")["unknown"]  # it was not waited for: a stop can only take off
            since = [each for each in dialect.received if each.number > number and each.path == STOPS]
            queried = {parse_qs(each.query)["clientAlgoId"][0] for each in since if each.method == "GET"}
            assert queried >= lost
            placed = next(each.time for each in since if each.method == "POST")
            assert min(each.time for each in since if each.method == "GET") < placed
            home.run("down")

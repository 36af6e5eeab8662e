"""A real exchange process, killed and started again while a real gateway trades on it: afterwards
both sides agree."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from decimal import Decimal
from types import SimpleNamespace

import pytest

from exchange.venue_process import VenueProcess
from long_form import long_form
from onetape.model import catalogue
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked

KILLS = 10 if os.environ.get("ONETAPE_LONG") else 3


def bid(venue: VenueProcess, kind: str) -> int:
    """In tenths, which is the tick of both."""
    path = "/0/public/Ticker?pair=XBTUSD" if kind == "kraken" else "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT"
    _, reported, _ = venue.wire.request("GET", path, b"", {})
    price = reported["bidPrice"] if "bidPrice" in reported else reported["result"]["XXBTZUSD"]["b"][0]
    return int(Decimal(price) * 10)


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("kind", ["binance-usdm", *long_form("aster", "kraken")])
def test_an_exchange_killed_at_any_moment_and_its_gateway_agree_afterwards(tmp_path, kind, seed):
    rng = random.Random(seed)
    venue = VenueProcess(tmp_path / "state", kind)
    account = SimpleNamespace(**venue.ready["accounts"][0])
    gateway = GatewayProcess(kind, tmp_path / "home", venue.port, account)
    gateway.start()
    robot = Robot(tmp_path / "robot", gateway, seed)
    try:
        for _ in range(KILLS):
            near = bid(venue, kind)
            until = time.monotonic() + rng.uniform(0.5, 1.5)
            while time.monotonic() < until:
                robot.act(near)
                time.sleep(rng.uniform(0.001, 0.02))
            venue.stop()
            for _ in range(5):  # what is asked for while nobody answers
                robot.act(near)
            time.sleep(rng.uniform(0, 1))
            venue = VenueProcess(tmp_path / "state", kind, port=venue.port)
        robot.cancel_all()

        def is_open() -> bool:
            orders = venue.state()["accounts"][0]["orders"]
            return gateway.ask("status")["open"] or any(each["open"] for each in orders)

        wait_for(lambda: not is_open())
        wait_for(lambda: not gateway.ask("status")["reconciling"])
        gateway.ask("reconcile")
        wait_for(lambda: not gateway.ask("status")["reconciling"])
        status, reported = gateway.ask("status"), venue.state()["accounts"][0]
    finally:
        gateway.kill()
        robot.writer.close()
        venue.stop()
    assert status["differences"] == []
    assert status["open"] == 0
    assert [o for o in reported["orders"] if o["open"]] == []
    trades = Counter(t["id"] for t in reported["trades"])
    assert booked(tmp_path / "home") == trades
    assert sum(trades.values()) > 0  # how many is the speed of the machine
    symbol = TRADED[kind][0]
    held = sum(Decimal(t["size"]) * (1 if t["side"] == "buy" else -1) for t in reported["trades"])
    assert catalogue.find(symbol).size(status["positions"].get(f"{symbol} both", 0)) == held
    if kind == "binance-usdm":
        assert sum(Decimal(p["size"]) for p in reported["positions"]) == held
    assert max(Counter(o["client_id"] for o in reported["orders"]).values()) == 1

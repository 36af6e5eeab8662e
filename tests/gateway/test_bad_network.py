"""A real gateway and a real exchange with a bad network between them: what the gateway believes
afterwards is what the exchange says."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from exchange.venue_client import served
from long_form import long_form
from onetape.simulation.tcp_proxy import MODES, Proxy
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked

ROUNDS = 10 if os.environ.get("ONETAPE_LONG") else 1
PHASE_S = 0.6
MET_S = 60.0  # until a connection has met a mode: a gateway waits between attempts


def trade(robot: Robot, listing, rng: random.Random, is_over) -> None:
    while not is_over():
        robot.act(listing.bid)
        time.sleep(rng.uniform(0.005, 0.03))


def lasting(network: Proxy, mode: str):
    """A phase is over after `PHASE_S`, and not before something came in its mode."""
    start, before = time.monotonic(), network.pieces[mode]

    def is_over() -> bool:
        spent = time.monotonic() - start
        is_met = mode == "cut" or network.pieces[mode] > before
        assert is_met or spent < MET_S, f"nothing came while it was {mode}"
        return is_met and spent >= PHASE_S

    return is_over


def agreement(gateway: GatewayProcess, account) -> dict:
    """The gateway's state once it has reconciled with nothing open on either side, and found no difference."""

    def agreed() -> dict | None:
        status = gateway.ask("status")
        if status["open"] or account.open_orders or status["reconciling"] or not status["ready"]:
            return None
        gateway.ask("reconcile")
        wait_for(lambda: not gateway.ask("status")["reconciling"])
        status = gateway.ask("status")
        return status if status.get("differences") == [] else None

    return wait_for(agreed)


@pytest.mark.parametrize("kind", ["binance-usdm", *long_form("kraken")])
def test_whatever_the_network_did_both_sides_agree_afterwards(tmp_path, kind):
    rng = random.Random(5)
    with served(kind, seed=5, limits=False) as (dialect, port), Proxy(port) as network:
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = GatewayProcess(kind, tmp_path, network.port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 5)
        try:
            trade(robot, exchange.listings[0], rng, lasting(network, "pass"))
            for _ in range(ROUNDS):
                for mode in rng.sample(MODES[1:], len(MODES) - 1):
                    for each in (mode, "pass"):
                        network.set(each)
                        trade(robot, exchange.listings[0], rng, lasting(network, each))
            robot.cancel_all()
            status = agreement(gateway, account)
        finally:
            gateway.kill()
            robot.writer.close()
        assert (status["open"], status["unknown"]) == (0, 0)
        assert account.open_orders == {}
        trades = Counter(t.fill.trade_id for t in account.trades)
        assert booked(tmp_path) == trades
        assert status["positions"].get(f"{TRADED[kind][0]} both", 0) == account.qty(0)
        clients = Counter(o.client_id for o in account.by_id.values())
        assert max(clients.values()) == 1

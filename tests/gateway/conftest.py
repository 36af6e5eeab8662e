"""A simulated Binance, and gateways' processes with a robot at each."""

from __future__ import annotations

import pytest

from exchange.venue_client import served
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot


@pytest.fixture
def venue():
    """(dialect, port)"""
    with served("binance-usdm", seed=3, limits=False) as made:
        yield made


@pytest.fixture
def world(venue, tmp_path):
    """(exchange's account, its listing, what starts a gateway with options and a robot at it)."""
    dialect, port = venue
    account = dialect.exchange.accounts[0]
    started = []

    def start(**options):
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account, **options)
        gateway.start()
        wait_for(lambda: not gateway.ask("status")["market"]["stale_ms"])  # a busy exchange is silent at first
        robot = Robot(tmp_path / f"robot{len(started)}", gateway, 1)
        started.append((gateway, robot))
        return gateway, robot

    yield account, dialect.exchange.listings[0], start
    for gateway, robot in started:
        gateway.kill()
        robot.writer.close()

"""A gateway killed while it moves money between wallets sends nothing twice and loses nothing; one
whose venue moves nothing says so."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from exchange.venue_client import served
from onetape.accounts.entries import Cause
from onetape.ipc import IPCCommandSystem
from onetape.ipc.commands import transfer
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess
from worlds.transfer_processes import World


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, wallet_host="localhost")  # an address of its own, as at the venue
    yield made
    made.stop()


def test_a_gateway_killed_before_the_answer_sends_nothing_twice(world):
    total = world.slots[0]
    for id_, rule in (("done", {"action": "drop_answer"}), ("lost", {"action": "drop_request"})):
        world.fault(**rule)
        assert world.transfer(id_, "2.75").status == "applied"
        wait_for(lambda id_=id_: "sent" in world.records(id_))
        world.gateway.kill()
        world.gateway.start()
        assert world.transfer(id_, "2.75").status == "duplicate"
        world.ends(id_)
    world.looked()
    assert world.slots[0] == total - Decimal("5.5") == sum(world.slots[1:])
    assert world.books()[1] == 0
    assert (world.home / "run" / f"budget-localhost-{world.venue.port}").exists()
    assert not [e for e in world.entries() if e.cause is Cause.CORRECTION]


def test_a_venue_that_moves_nothing_that_way_says_so(tmp_path):
    async def send():
        system = IPCCommandSystem("operator", home=tmp_path)
        system.start()
        payload = transfer("t", "usd", 1, "futures", "trading")
        received = [
            await system.send_command("kraken_gateway", *command, timeout=PATIENCE_S)
            for command in (("transfer", payload), ("kraken_strategy_balance", {"cmd": "transfer", **payload}))
        ]
        system.stop()
        return received

    with served("kraken", seed=3, limits=False) as (dialect, port):
        gateway = GatewayProcess("kraken", tmp_path, port, dialect.exchange.accounts[0])
        gateway.start()
        try:
            answers = asyncio.run(send())
        finally:
            gateway.kill()
    for received in answers:
        assert (received.status, received.error["name"]) == ("refused", "NOT_AVAILABLE")
        assert "kraken does not support transfers" in received.error["message"]

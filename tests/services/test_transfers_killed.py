"""A gateway killed while it moves money between wallets: nothing is sent twice, nothing is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gateway_process import wait_for
from transfer_processes import World

from onetape.accounts.entries import Cause


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

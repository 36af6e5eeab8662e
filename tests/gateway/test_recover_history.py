"""Bars that a robot asked for are on its gateway's tape as a reply to no command: a gateway begins again after them."""

from __future__ import annotations

import msgspec
import pytest

from onetape.model.time import MINUTE
from onetape.orders.managed import HealthOut
from onetape.simulation.faults import Faults
from onetape.simulation.world import SECOND, World


@pytest.mark.parametrize("has_checkpoint", [False, True])
def test_a_gateway_begins_again_after_the_history_of_a_robot(has_checkpoint):
    world = World(1, Faults.none(), crashes=False)
    world.connect()
    world.until(world.now + 5 * SECOND)
    record = {
        "robot": 1,
        "symbol": world.symbols[0],
        "period": MINUTE,
        "first": 1,
        "last": 30,
        "bars": 30,
        "reason": "",
    }
    world.life.writer.append("reply", msgspec.msgpack.encode(record), time=world.now)
    if has_checkpoint:
        world.core.say(HealthOut("test", "the frame after it", "is there"))
        world.core.carry_out()
    before = dict(world.manager.positions)
    world.life.end()
    world.begin_gateway(world.home)
    assert world.manager.positions == before
    assert world.life.core.tape.state.begun == {}

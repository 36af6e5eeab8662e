"""A dated contract ends while a gateway trades it: the venue cancels its orders and closes the position, and both sides
agree afterwards."""

from __future__ import annotations

import pytest

from onetape.model.symbol import parse_symbol
from onetape.model.time import SECOND
from onetape.orders.managed import FillOut, HealthOut
from onetape.simulation import world as gateway_world
from onetape.simulation.faults import Faults
from onetape.simulation.seeds import positions_of
from onetape.simulation.world import World

DATED = "okx:BTC/USDT:USDT-261225"
BEFORE = 60 * SECOND


@pytest.mark.parametrize(("seed", "faults"), [(3, Faults.none()), (7, Faults()), (19, Faults())])
def test_a_contract_that_ends_is_settled_and_nothing_differs(monkeypatch, seed, faults):
    expiry = parse_symbol(DATED).expiry
    assert expiry is not None
    monkeypatch.setattr(gateway_world, "START", expiry - BEFORE)
    world = World(seed, kind="okx", faults=faults, crashes=seed == 19)
    assert DATED in world.symbols
    index = world.symbols.index(DATED)
    held = []
    world.at(expiry - SECOND, lambda: held.extend(world.account.qty(index, side) for side in world.account.sides))
    world.run(100.0)
    assert any(held), "there is nothing to settle"
    assert world.differences() == []
    assert not any(world.account.qty(index, side) for side in world.account.sides)
    assert not [order for order in world.manager.open.values() if order.spec.symbol == DATED]
    assert not [key for key, qty in positions_of(world, world.manager.positions).items() if key[0] == DATED and qty]
    settled = [out for out in world.outs if isinstance(out, FillOut) and out.is_forced and out.fill.time >= expiry]
    names = {out.fill.client_id or (out.order.client_id if out.order is not None else "") for out in settled}
    assert {name.partition("-")[0] for name in names} == {"settlement"}
    said = [out for out in world.outs if isinstance(out, HealthOut) and out.kind == "forced close"]
    ended = [out.severity for out in said if out.subject.startswith(DATED) and out.state.startswith("settlement")]
    assert set(ended) == {"warning"}

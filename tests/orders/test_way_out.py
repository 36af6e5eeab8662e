"""Money never bars the way out: a sub-account that has lost what it had may close its position,
its fee included, and open nothing. The invariant of the simulated worlds says the same."""

from __future__ import annotations

import pytest

from onetape.accounts.reserves import Reserves
from onetape.model.enums import OrderType, Side
from onetape.model.order import OrderSpec
from onetape.simulation.faults import Faults
from onetape.simulation.invariants import Broken
from onetape.simulation.world import SECOND, World

LOTS = 10  # of BTC/USDT:USDT, some 600 USDT


def market(side: Side, lots: int) -> OrderSpec:
    return OrderSpec(symbol="binance:BTC/USDT:USDT", side=side, size_int=lots, type=OrderType.MARKET)


def impoverished() -> World:
    """Its first robot is short by `LOTS`, and has 1 USDT for what holds 60."""
    world = World(2, Faults.none(), crashes=False)
    world.connect()
    world.until(world.now + 5 * SECOND)
    command(world, "allocate", index=2, amount="1000")
    world.robots[0].ask(market(Side.SELL, LOTS), world.exchange.listings[0].last)
    world.until(world.now + 2 * SECOND)
    assert world.manager.positions[market(Side.SELL, 1).symbol, "both"] == -LOTS
    command(world, "reset", amount="90000")
    command(world, "allocate", index=2, amount="1")
    world.until(world.now + SECOND)
    return world


def command(world: World, name: str, **fields) -> None:
    request = {
        "id": f"{name} {world.now}",
        "target": "gateway:main",
        "command": name,
        "actor": "operator",
        "fields": {"currency": "USDT", **fields},
        "token": world.home.tokens["operator"],
    }
    assert world.life.commands.door.answer(request)["status"] == "applied"


def test_what_only_closes_goes_out_with_its_fee():
    world = impoverished()
    world.robots[0].ask(market(Side.BUY, LOTS), world.exchange.listings[0].last)
    world.until(world.now + 2 * SECOND)
    assert not any(world.manager.positions.values())
    assert world.seen["robot places"] == 2


@pytest.mark.parametrize(("side", "lots"), [(Side.SELL, 2), (Side.BUY, 2 * LOTS + 1)])
def test_what_opens_does_not_and_the_invariant_would_notice_it(monkeypatch, side, lots):
    world = impoverished()
    price = world.exchange.listings[0].last
    world.robots[0].ask(market(side, lots), price)
    assert world.seen["denied 4201"] == 1
    monkeypatch.setattr(Reserves, "opens", lambda *args, **named: False)
    with pytest.raises(Broken, match="slot 2 holds"):
        world.robots[0].ask(market(side, lots), price)

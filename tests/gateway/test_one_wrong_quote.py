"""One wrong quote refuses no good order and lets no bad one through: limits are measured by a confirmed price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.model.enums import Side
from onetape.model.errors import PriceBand
from onetape.model.order import OrderSpec
from onetape.model.time import MS, SECOND
from onetape.orders.trading_state import Limits
from onetape.simulation.world import World


@pytest.fixture
def world() -> World:
    made = World(2, crashes=False)
    made.is_quiet = made.stopping = True
    made.connect()
    made.until(made.now + 5 * SECOND)
    quote(made, made.exchange.listings[0].last, seconds=1)
    return made


def quote(world: World, middle: int, *, seconds: int = 0) -> None:
    for _ in range(max(seconds * 10, 1)):
        world.core.reference_prices.quoted(world.symbols[0], middle, world.moment().steady)
        if seconds:
            world.until(world.now + 100 * MS)


def refused(world: World, side: Side, price: int, **limits: object) -> int:
    """Returns the number of the error that a robot's limit order has, 0: it may leave."""
    world.gate.limits = Limits(**limits)
    size = world.robots[0].usual(world.symbols[0])
    spec = OrderSpec(symbol=world.symbols[0], side=side, size_int=size, price_int=price)
    found = world.gate.refusal(spec, world.now)
    return found.code if found is not None else 0


@pytest.mark.parametrize("way", [1, -1])
def test_a_band_measures_by_what_is_confirmed(world: World, way: int) -> None:
    last, band = world.exchange.listings[0].last, {"price_band": Decimal("0.02")}
    good, bad = (Side.SELL, Side.BUY) if way > 0 else (Side.BUY, Side.SELL)
    wrong = last + way * last // 10
    for _ in range(3):
        quote(world, wrong)
        assert not refused(world, good, last, **band)
        assert refused(world, bad, wrong, **band) == PriceBand.code
        world.until(world.now + 100 * MS)
        quote(world, last)
    quote(world, wrong, seconds=1)  # the market is there
    assert refused(world, good, last, **band) == PriceBand.code
    assert not refused(world, bad, wrong, **band)

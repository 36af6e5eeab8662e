"""What the venue closes by itself while the gateway is away has its origin once that is back, also where it is killed
between the fill and what follows from it."""

from __future__ import annotations

import pytest

from onetape.accounts.booking import FORCED
from onetape.accounts.entries import MAIN, Cause
from onetape.accounts.entry_frames import unpack
from onetape.model.enums import OrderType, PositionSide, Side
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.simulation.faults import Faults
from onetape.simulation.world import SECOND, World
from onetape.tape.journal import JournalReader

BOTH = PositionSide.BOTH
SIZES = {1: 60, 2: 20}  # of the robots, whose slots are one more


def held(world: World) -> dict[int, int]:
    return {slot: world.money.own(slot, world.symbols[0], BOTH) for slot in (MAIN, 2, 3)}


def origins(world: World) -> list[str]:
    """Of the fills that are booked."""
    with JournalReader(gateway_journal(world.home.path, "main")) as reader:
        entries = [unpack(frame.payload) for frame in reader.frames(("entry",))]
    return [each.note for each in entries if each.cause is Cause.FILL]


@pytest.mark.parametrize("dies_at_fill", [False, True])
@pytest.mark.parametrize(
    ("kind", "origin"),
    [
        ("binance-usdm", "liquidation"),
        ("binance-usdm", "adl"),
        ("binance-usdm", "settlement"),
        ("aster", "liquidation"),
        ("pacifica", "adl"),
        ("bybit", "liquidation"),
        ("hyperliquid", "liquidation"),
        ("okx", "liquidation"),
        ("okx", "settlement"),
    ],
)
def test_a_forced_close_that_nobody_heard_is_shared_by_those_who_held(kind, origin, dies_at_fill):
    world = World(2, Faults.none(), kind=kind, crashes=False)
    world.connect()
    world.until(world.now + SECOND)
    command = {"target": "gateway:main", "actor": "operator", "token": world.home.tokens["operator"]}
    for slot in (2, 3):
        fields = {"currency": world.quote, "index": slot, "amount": "20000"}
        request = {**command, "id": f"a{slot}", "command": "allocate", "fields": fields}
        assert world.life.commands.door.answer(request)["status"] == "applied"
    for number, size in SIZES.items():
        spec = OrderSpec(symbol=world.symbols[0], side=Side.BUY, size_int=size, type=OrderType.MARKET)
        world.robots[number - 1].ask(spec, world.exchange.listings[0].last)
    world.until(world.now + 5 * SECOND)
    assert held(world) == {MAIN: 0, 2: 60, 3: 20}
    world.drop_stream()
    world.exchange.clearing.force_close(world.account, 0, BOTH, world.now, origin)
    assert world.account.qty(0) == 0
    world.die()
    world.life.writer.left, world.is_mortal_at_fill = -1, dies_at_fill
    world.until(world.now + 30 * SECOND)
    assert world.seen["crash"] == 1 + dies_at_fill
    assert held(world) == {MAIN: 0, 2: 0, 3: 0}
    assert FORCED in origins(world)
    for number in SIZES:  # they have heard of it
        assert not world.tape.parts.part(world.tape.robots[number], world.symbols[0], BOTH)

"""Whose the fills of a guardian's orders are: of those whose position they take off, whatever robot's name
an order has. With gateway and venue in one virtual time."""

from __future__ import annotations

from fractions import Fraction

import pytest

from onetape.accounts.entries import MAIN
from onetape.gateway.order_requests import ROBOTS_MAX
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderType, PositionSide, Side
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.reports import FillReport
from onetape.projections.followed_account import read_account
from onetape.simulation.faults import Faults
from onetape.simulation.guardian_world import GuardianWorld
from onetape.simulation.world import MS

BTC = catalogue.find("binance:BTC/USDT:USDT")
BOTH = PositionSide.BOTH


def world_of(operator: int, robot: int) -> GuardianWorld:
    """Where both hold so much, in units."""
    world = GuardianWorld(0, Faults.none(), crashes=False)
    world.connect()
    world.until(world.now + SECOND)
    allocate = {"currency": "USDT", "index": 2, "amount": "20000"}
    assert world.command("allocate", "allocate", allocate, "operator")["status"] == "applied"
    by_hand(world, operator)
    robot_trades(world, robot)
    return world


def by_hand(world: GuardianWorld, size: int) -> None:
    fields = {"symbol": world.symbols[0], "side": "buy" if size > 0 else "sell", "qty": f"{abs(size) / 1000}"}
    if size:
        assert world.command(f"hand {world.now}", "place", fields, "operator")["status"] == "applied"
    world.until(world.now + SECOND)


def robot_trades(world: GuardianWorld, size: int) -> None:
    side = Side.BUY if size > 0 else Side.SELL
    spec = OrderSpec(symbol=world.symbols[0], side=side, size_int=abs(size), type=OrderType.MARKET)
    world.robots[0].ask(spec, world.exchange.listings[0].last)
    world.until(world.now + SECOND)


def stops(world: GuardianWorld, *sizes: int) -> list[str]:
    """Placed right under the market; the names of their robots."""
    below = world.exchange.instruments[0].price_text(world.best(world.symbols[0])[0] - 10)
    rows = [{"qty": f"{size / 1000}", "trigger": below} for size in sizes]
    fields = {"symbol": world.symbols[0], "side": "sell", "stops": rows}
    answer = world.command("stops", "place_stops", fields)
    assert answer["status"] == "applied", answer
    return [row["robot"] for row in answer["result"]["orders"]]


def parts(world: GuardianWorld) -> dict[str, int]:
    """By the gateway, and what others read from its journal says the same."""
    found = {each.life.name: each.qty for each in world.core.parts.of(world.symbols[0], BOTH)}
    view = read_account(gateway_journal(world.home.path, "main"))
    robots = [each for each in view.robots.values() if not each.is_operator]
    assert {each.name: qty for each in robots for of in each.held.values() for qty in of.values() if qty} == {
        name: qty for name, qty in found.items() if not name.startswith("operator")
    }
    return found


def fired(world: GuardianWorld, left: int = 0) -> None:
    """Until the account holds so much, and that is booked."""
    for _ in range(600):
        world.step()
        if world.account.qty(0) == left and world.manager.positions.get((world.symbols[0], BOTH), 0) == left:
            break
        world.until(world.now + SECOND)
    world.until(world.now + 5 * SECOND)
    assert world.account.qty(0) == left
    assert world.manager.positions.get((world.symbols[0], BOTH), 0) == left


@pytest.mark.parametrize(
    ("operator", "robot", "sizes"),
    [
        (50, 50, (20, 20, 20, 20, 20)),  # one of them has a stop more than the other
        (10, 90, (100,)),
        (90, 10, (100,)),
        (0, 30, (30,)),
    ],
)
def test_after_stops_have_taken_the_position_off_nobody_holds_anything(operator, robot, sizes):
    world = world_of(operator, robot)
    assert sum(parts(world).values()) == operator + robot
    stops(world, *sizes)
    fired(world)
    assert parts(world) == {}


@pytest.mark.parametrize("is_robots", [True, False])
def test_a_stop_whose_robot_has_sold_since_takes_off_what_others_bought(is_robots):
    world = world_of(0, 60) if is_robots else world_of(60, 0)
    assert stops(world, 60) == ["one" if is_robots else "operator"]
    for trade, size in ((by_hand, 60), (robot_trades, -60)) if is_robots else ((robot_trades, 60), (by_hand, -60)):
        trade(world, size)
    fired(world)
    assert parts(world) == {}


def test_each_gets_the_price_of_the_fill_and_pays_its_share_of_the_fee():
    world = world_of(10, 90)
    before = [world.money.ledger.balance("USDT", slot) for slot in (MAIN, 2)]
    paid = len(world.account.trades)
    assert stops(world, 100) == ["one"]
    fired(world)
    trades = list(world.account.trades)
    sold = [each.fill for each in trades[paid:]]
    assert sum(each.size for each in sold) == 100
    units = [each for each in sold for _ in range(each.size)]
    for slot, size, was, closed in ((MAIN, 10, before[0], units[90:]), (2, 90, before[1], units[:90])):
        first = trades[0].order
        fills = [each.fill for each in trades[:paid] if (each.order is first) is (slot == MAIN)]
        assert sum(each.size for each in fills) == size
        gain = sum(each.price for each in closed) - sum(each.price * each.size for each in fills)
        fee = sum(Fraction(each.fee, each.size) for each in closed)
        change = world.money.ledger.balance("USDT", slot) - was
        assert abs(change - (gain * 10 ** (18 - BTC.price_decimals - BTC.size_decimals) - fee)) <= len(sold)


def test_opposite_parts_that_no_stop_has_made_stay():
    world = world_of(50, 50)
    robot_trades(world, -80)
    assert parts(world) == {"operator": 50, "one": -30}
    assert stops(world, 20) == ["operator"]
    fired(world)
    assert parts(world) == {"operator": 30, "one": -30}


def test_what_was_beyond_is_handed_over_whichever_frame_the_gateway_is_killed_before():
    deaths = 0
    for frames in range(14):
        world = world_of(10, 60)
        stops(world, 70)
        trades = len(world.account.trades)
        while len(world.account.trades) == trades:
            world.until(world.now + 5 * MS)
        world.life.writer.left = frames
        fired(world)
        world.life.writer.left = -1
        world.until(world.now + 10 * SECOND)
        assert parts(world) == {}, frames
        deaths += world.seen["crash"]
    assert deaths > 10


@pytest.mark.parametrize("origin", ["liquidation", "adl", "settlement"])
@pytest.mark.parametrize(("operator", "robot"), [(0, 30), (40, 30), (40, -30), (-50, -20)])
def test_after_the_venue_has_closed_by_force_nobody_holds_what_it_took(origin, operator, robot):
    world = world_of(operator, robot)
    held, price = world.account.qty(0), world.exchange.listings[0].last
    world.exchange.clearing.force_close(world.account, 0, BOTH, world.now, origin)
    world.until(world.now + 5 * SECOND)
    assert world.account.qty(0) == 0
    # Who held against the account's position still does, against those who bore it.
    against = {name: qty for name, qty in (("operator", operator), ("one", robot)) if qty * held < 0}
    left = parts(world)
    assert sum(left.values()) == 0 and {name: left.get(name) for name in against} == against
    assert bool(left) is bool(against), (left, price)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_robot_hears_of_its_share_of_a_forced_close_once(is_killed):
    # A fill that is found by a question has no origin: what counts is that its entry has been written.
    for frames in range(2, 10) if is_killed else (-1,):
        world = world_of(4, 6)
        world.exchange.clearing.force_close(world.account, 0, BOTH, world.now, "liquidation")
        world.life.writer.left = frames
        world.until(world.now + SECOND)
        world.step()
        world.until(world.now + 9 * SECOND)
        world.life.writer.left = -1
        world.until(world.now + 10 * SECOND)
        assert world.account.qty(0) == 0
        assert parts(world) == {}, frames


def test_what_is_closed_by_force_in_pieces_of_one_message_is_borne_by_what_is_left(monkeypatch):
    world = world_of(5, 5)
    parts = world.core.tape.parts
    slot = next(each.slot for each in parts.robots.values() if each.name == "one")
    for trade, (size, left) in enumerate([(6, 4), (4, 0)], 1):  # robots hear of both when both are booked
        monkeypatch.setattr(parts, "own", lambda *_, left=left: left)
        fill = FillReport(
            world.symbols[0], "", "", trade, Side.SELL, BOTH, 1, size, world.now, 0, "USDT", Liquidity.TAKER
        )
        parts.note_forced(fill, {slot: size})
    assert [fill.size for _, fill in parts.forced] == [3, 2]


def test_a_position_can_be_closed_for_its_sub_account_however_many_robots_have_come():
    world = GuardianWorld(0, Faults.none(), crashes=False)
    world.connect()
    tape, parts = world.core.tape, world.core.parts
    for number in range(300):
        reserved = parts.operators_to_come
        assert reserved == len(set(parts.slots.values()))
        if world.core.requests.attach(f"r{number}", "", world.now, slot=MAIN, reserved=reserved) is None:
            break
    assert len(tape.robots) == ROBOTS_MAX - reserved
    assert [parts.operator(slot).number for slot in sorted(set(parts.slots.values()))] == [
        *range(ROBOTS_MAX - reserved + 1, ROBOTS_MAX + 1)
    ]

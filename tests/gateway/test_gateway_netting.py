"""Two robots with a sub-account each on one account: real processes and sockets, the simulated
exchange behind them, and ends of the gateway in between."""

from __future__ import annotations

import time

import pytest

from exchange.venue_client import served
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import ReduceOnlyViolated
from onetape.model.order import OWN_REDUCING, REDUCE_ONLY
from waiting import wait_for
from worlds.gateway_process import SYMBOL
from worlds.netting_world import NettingWorld


@pytest.fixture
def world(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        made = NettingWorld(tmp_path, dialect, port)
        yield made
        made.close()


def test_a_robot_gets_out_of_what_the_venue_does_not_hold(world):
    a, b = world.robots
    a.place(Side.BUY, 0)
    wait_for(lambda: world.held() == [10, 0, 10])
    b.place(Side.SELL, 0)
    wait_for(lambda: world.held() == [10, -10, 0])
    # The venue is flat, and would refuse both; far from the market they rest.
    bid = world.bid
    out = world.rest(a, Side.SELL, bid + 3000, reduce_only=True)
    assert world.flags(a, out) == OWN_REDUCING
    assert not world.at_venue(a, out).reduce_only
    twice = a.place(Side.SELL, bid + 3000, reduce_only=True)
    wait_for(lambda: ("denied", ReduceOnlyViolated.code) in world.news(a, twice))
    world.restart()
    # After a restart the order is what it was, and counts.
    twice = a.place(Side.SELL, bid + 3000, reduce_only=True)
    wait_for(lambda: ("denied", ReduceOnlyViolated.code) in world.news(a, twice))
    a.place(Side.SELL, 0)  # it changes its mind: there is nothing left for the reduction
    wait_for(lambda: world.held() == [0, -10, -10])
    wait_for(lambda: ("canceled", 0) in world.news(a, out))
    # Now the venue is short, as B is.
    back = b.place(Side.BUY, 0, reduce_only=True)
    wait_for(lambda: world.held() == [0, 0, 0])
    assert world.flags(b, back) == REDUCE_ONLY
    wait_for(lambda: not world.account.open_orders)
    assert world.gateway.ask("status")["differences"] == []


def test_a_position_that_shrank_while_nobody_looked_takes_its_reduction_with_it(world):
    a, b = world.robots
    a.place(Side.BUY, 0)
    b.place(Side.SELL, 0)
    wait_for(lambda: world.held() == [10, -10, 0])
    bid = world.bid
    out = world.rest(a, Side.SELL, bid + 3000, reduce_only=True)
    near = world.rest(a, Side.SELL, bid + 2000)
    world.gateway.kill()
    world.fill_at_venue(a, near)
    world.gateway.start()
    wait_for(lambda: world.held() == [0, -10, -10])
    wait_for(lambda: ("canceled", 0) in world.news(a, out))
    assert not world.account.open_orders


def test_random_robots_and_restarts_leave_sums_that_are_the_venue_s(world):
    """No reduction turns its sub-account over, by what the tape says of each fill."""
    began = time.monotonic()
    for step in range(60):
        robot = world.random.choice(world.robots)
        side = world.random.choice((Side.BUY, Side.SELL))
        price = world.random.choice((0, 0, world.bid + 500 * -side.sign))
        order = robot.place(side, price, reduce_only=world.random.random() < 0.5)
        if price and world.random.random() < 0.5:
            robot.request(RequestKind.CANCEL, order, side, price)
        if step % 20 == 19:
            world.restart()
        elif time.monotonic() - began < 30:
            time.sleep(world.random.uniform(0, 0.05))
    for robot in world.robots:
        robot.cancel_all()
    wait_for(lambda: not world.account.open_orders and not world.gateway.ask("status")["open"])
    world.gateway.ask("reconcile")
    wait_for(lambda: not world.gateway.ask("status")["reconciling"])
    assert world.gateway.ask("status")["differences"] == []
    *own, net = world.held()
    assert sum(own) == net == world.account.qty(0)
    assert world.gateway.ask("status")["positions"].get(f"{SYMBOL} both", 0) == net
    held = [0] * 4
    for robot, signed, order in world.fills():
        before, held[robot] = held[robot], held[robot] + signed
        if world.own_flags(robot, order) & (OWN_REDUCING | REDUCE_ONLY):
            assert before * held[robot] >= 0, (robot, order)
    assert held[1:3] == own

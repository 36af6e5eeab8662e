"""After every event what a reader folds from the gateway's tape is what the gateway has: its orders, the account's
positions, what robots' orders have brought them, what sub-accounts hold, and the names of its currencies."""

from __future__ import annotations

from typing import Any

from onetape.model.home import gateway_journal
from onetape.orders.managed import Managed
from onetape.orders.order import Order
from onetape.projections.account import READ_PARTS, AccountState
from onetape.tape.journal import JournalReader
from orders.gateway_invariants import Broken


class StateInvariants:
    """Of one world."""

    def __init__(self, world) -> None:
        self.world = world
        self.frames: JournalReader | None = None
        self.state = AccountState(keeps_fills=False, keeps_parts=True)

    def follow(self, home) -> None:
        self.frames = JournalReader(gateway_journal(home.path, "main"))
        self.state = AccountState(keeps_fills=False, keeps_parts=True)

    def check(self) -> None:
        if self.frames is None:
            return
        is_new = False
        for frame in self.frames.frames(READ_PARTS):
            is_new = True
            self.state.apply(frame)
        if not is_new:
            return
        self.check_orders()
        world, state = self.world, self.state
        same("positions", held(world.manager.positions), held({at: each.qty for at, each in state.held.items()}))
        robots = world.core.tape.robots
        same("robots' parts", parts_of(robots), parts_of(state.robots))
        booking, read = world.money.booking, state.subaccounts.booking
        same("sub-accounts' parts", booked(booking.positions), booked(read.positions))
        same("currencies", {n: name for name, n in world.core.tape.currencies.items()}, state.currencies)

    def check_orders(self) -> None:
        live = {(order.robot, order.order_id): order for order in self.world.manager.open.values() if order.robot}
        if live.keys() != self.state.working.keys():
            raise Broken(f"orders that work: {live.keys() ^ self.state.working.keys()} are here or there alone")
        for key, order in live.items():
            folded = self.state.working[key]
            if said(order) != shown(folded):
                raise Broken(f"{order.client_id} is {said(order)}, its tape comes to {shown(folded)}")


def same(what: str, live: Any, folded: Any) -> None:
    if live != folded:
        raise Broken(f"{what}: the gateway has {live}, its tape comes to {folded}")


def held(positions: dict) -> dict:
    return {at: qty for at, qty in positions.items() if qty}


def parts_of(robots: dict) -> dict:
    return {
        (number, symbol, side): qty
        for number, robot in robots.items()
        for symbol, of in robot.held.items()
        for side, qty in of.items()
        if qty
    }


def booked(positions: dict) -> dict:
    return {at: (own.qty, own.cost, own.realized) for at, own in positions.items() if own.qty}


def said(order: Managed) -> tuple:
    return order.state, order.life.filled, order.life.size


def shown(order: Order) -> tuple:
    return order.state, order.filled, order.size

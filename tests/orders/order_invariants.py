"""After every event the orders that a reader folds from the gateway's tape are those that the gateway has."""

from __future__ import annotations

from onetape.model.home import gateway_journal
from onetape.orders.managed import Managed
from onetape.orders.order import Order
from onetape.projections.account import AccountView
from onetape.tape.journal import JournalReader
from orders.gateway_invariants import Broken

FRAMES = ("instrument", "order_request", "order_event", "fill", "reply", "params", "health")


class OrderInvariants:
    """Of one world."""

    def __init__(self, world) -> None:
        self.world = world
        self.frames: JournalReader | None = None
        self.view = AccountView(keeps_fills=False)

    def follow(self, home) -> None:
        self.frames, self.view = JournalReader(gateway_journal(home.path, "main")), AccountView(keeps_fills=False)

    def check(self) -> None:
        if self.frames is None:
            return
        is_new = False
        for frame in self.frames.frames(FRAMES):
            is_new = True
            self.view.take(frame)
        if not is_new:
            return
        live = {(order.robot, order.order_id): order for order in self.world.manager.open.values() if order.robot}
        if live.keys() != self.view.working.keys():
            raise Broken(f"orders that work: {live.keys() ^ self.view.working.keys()} are here or there alone")
        for key, order in live.items():
            folded = self.view.working[key]
            if said(order) != shown(folded):
                raise Broken(f"{order.client_id} is {said(order)}, its tape comes to {shown(folded)}")


def said(order: Managed) -> tuple:
    return order.state, order.life.filled, order.life.size


def shown(order: Order) -> tuple:
    return order.state, order.filled, order.size

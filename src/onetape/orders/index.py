"""The orders of a gateway: by what names they are found, what is due of them and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

from onetape.orders.calls import OrderProtocol
from onetape.orders.managed import Managed
from onetape.orders.working import Working

__all__ = ["NEVER", "DueOrders", "OrderIndex", "due_at"]

CLOSED_KEPT: Final = 10_000  # orders that have ended, for late words
NEVER: Final = 2**62
STALE_KEPT: Final = 1000  # entries of what is due that count no more; then the queue is made anew


class OrderIndex:
    """Finds open orders, and ended ones until `CLOSED_KEPT` later ones have ended.

    What is summed up of the open ones (`working`, `due`) is kept here, too. Whoever takes an order
    in hand to change it gets it from here, or marks it.
    """

    def __init__(self, venue: OrderProtocol) -> None:
        self.orders: dict[str, Managed] = {}  # by client id
        self.open: dict[str, Managed] = {}
        self.by_robot: dict[tuple[int, int], Managed] = {}  # and the robot's own id
        self.by_venue_id: dict[tuple[str, str], Managed] = {}  # symbol, and the venue's id
        self.working = Working(self.open, venue)
        self.due = DueOrders(self.open)
        self._ended: deque[str] = deque()
        self._former: dict[str, list[tuple[str, str]]] = {}  # names that an order had before
        self._aliases: dict[str, list[str]] = {}  # its other client ids

    def add(self, order: Managed) -> None:
        self.orders[order.client_id] = order
        self.open[order.client_id] = order
        self.mark(order)
        if order.robot:
            self.by_robot[order.robot, order.order_id] = order

    def mark(self, order: Managed) -> None:
        """Marks an order that is about to change, or has changed, so that sums over it are made anew."""
        self.working.marked[order.client_id] = self.due.marked[order.client_id] = None

    def get(self, client_id: str) -> Managed | None:
        """Returns the order of a client id, marked as about to change; None: there is none."""
        order = self.orders.get(client_id)
        if order is not None:
            self.mark(order)
        return order

    def find(self, client_id: str, symbol: str, venue_id: str) -> Managed | None:
        """Returns the order of a client id or a venue id, marked as about to change."""
        order = self.orders.get(client_id) or self.by_venue_id.get((symbol, venue_id))
        if order is not None:
            self.mark(order)
        return order

    def end(self, order: Managed) -> None:
        """Moves an order from the open to the ended ones, and drops the oldest of these."""
        del self.open[order.client_id]
        self.mark(order)
        self._ended.append(order.client_id)
        if len(self._ended) <= CLOSED_KEPT:
            return
        gone = self.orders.pop(self._ended.popleft(), None)
        if gone is not None:
            self.by_robot.pop((gone.robot, gone.order_id), None)
            former = self._former.pop(gone.client_id, [])
            for name in self._aliases.pop(gone.client_id, ()):
                self.orders.pop(name, None)
            for key in (*former, (gone.spec.symbol, gone.venue_id)):
                self.by_venue_id.pop(key, None)

    def begin_anew(self) -> None:
        """Forgets all orders."""
        for order in self.open.values():
            self.mark(order)
        for each in (self.orders, self.open, self.by_robot, self.by_venue_id, self._ended, self._former, self._aliases):
            each.clear()

    def _file(self, order: Managed) -> None:
        """Enters an order under all its ids."""
        for name in (order.client_id, *self._aliases.get(order.client_id, ())):
            self.orders[name] = order
        if order.robot:
            self.by_robot[order.robot, order.order_id] = order
        symbol, venue_id = order.spec.symbol, order.venue_id
        for key in self._former.get(order.client_id, ()):
            self.by_venue_id[key] = order
        if venue_id:
            self.by_venue_id[symbol, venue_id] = order


def due_at(order: Managed) -> int:
    """Returns when something of an order is due: a request to be sent again, an answer that is lost
    by then, a query.

    `NEVER`: nothing is.
    """
    due = order.ask_at if order.ask_at and not order.asking else NEVER
    for pending in order.pending.values():
        due = min(due, pending.resend_at or pending.deadline)
    return due


class DueOrders:
    """Finds which open orders of an account have something due, and when, without a walk over all.

    A queue by time with entries that may be stale: an entry counts while its time is the one that
    is noted for its order. Who changes an order marks it; marked orders are looked at when somebody
    asks. open_orders: by client id, somebody else's; times in ns UTC.
    """

    def __init__(self, open_orders: Mapping[str, Managed]) -> None:
        self._open = open_orders
        self.marked: dict[str, None] = {}  # what may have changed, come or gone
        self._times: dict[str, int] = {}  # of each order with something due
        self._queue: list[tuple[int, str]] = []

    @property
    def next(self) -> int:
        """Returns when the first order is due, `NEVER` without one."""
        self._look()
        queue, times = self._queue, self._times
        while queue and times.get(queue[0][1]) != queue[0][0]:
            heappop(queue)
        return queue[0][0] if queue else NEVER

    def take(self, now: int) -> list[Managed]:
        """Returns the orders with something due by now, the longest due first. They are marked: whoever takes them
        changes them."""
        taken = []
        while self.next <= now:
            client_id = heappop(self._queue)[1]
            del self._times[client_id]
            taken.append(self._open[client_id])
        for order in taken:
            self.marked[order.client_id] = None
        return taken

    def _look(self) -> None:
        marked = list(self.marked)
        self.marked.clear()
        for client_id in marked:
            order = self._open.get(client_id)
            due = NEVER if order is None else due_at(order)
            if due == NEVER:
                self._times.pop(client_id, None)
            elif self._times.get(client_id) != due:
                self._times[client_id] = due
                heappush(self._queue, (due, client_id))
        if len(self._queue) > 2 * len(self._times) + STALE_KEPT:
            self._queue = [(due, client_id) for client_id, due in self._times.items()]
            heapify(self._queue)

"""Which open orders have something due, and when, without a walk over all of them.

A queue by time with entries that may be stale: an entry counts while its time is the one that is
noted for its order. Who changes an order marks it; marked orders are looked at when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

from onetape.orders.asking import NEVER, due_at
from onetape.orders.managed import Managed

__all__ = ["DueOrders"]

STALE_KEPT: Final = 1000  # entries that count no more; then the queue is made anew


class DueOrders:
    """Of one account. open_orders: by client id, somebody else's; times in ns UTC."""

    def __init__(self, open_orders: Mapping[str, Managed]) -> None:
        self._open = open_orders
        self.marked: dict[str, None] = {}  # what may have changed, come or gone
        self._times: dict[str, int] = {}  # of each order with something due
        self._queue: list[tuple[int, str]] = []

    @property
    def next(self) -> int:
        """When the first is due, `NEVER` without."""
        self._look()
        queue, times = self._queue, self._times
        while queue and times.get(queue[0][1]) != queue[0][0]:
            heappop(queue)
        return queue[0][0] if queue else NEVER

    def take(self, now: int) -> list[Managed]:
        """Those with something due by now, the longest due first. They are marked: whoever takes
        them changes them."""
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

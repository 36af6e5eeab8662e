"""Which orders there are at a gateway, and by what names they are found."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from onetape.orders.calls import OrderProtocol
from onetape.orders.due import DueOrders
from onetape.orders.managed import Managed
from onetape.orders.working import Working

__all__ = ["Directory", "DirectoryRecord"]

CLOSED_KEPT: Final = 10_000  # orders that have ended, for late words


class DirectoryRecord(msgspec.Struct, frozen=True):
    """All orders, as a checkpoint keeps them; the ended ones in the order in which they ended."""

    open: list[Managed]
    ended: list[Managed]
    former: dict[str, list[tuple[str, str]]]
    aliases: dict[str, list[str]]


class Directory:
    """Open orders, and ended ones until `CLOSED_KEPT` later ones have ended.

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
        """It is about to change, or has."""
        self.working.marked[order.client_id] = self.due.marked[order.client_id] = None

    def get(self, client_id: str) -> Managed | None:
        """To change it."""
        order = self.orders.get(client_id)
        if order is not None:
            self.mark(order)
        return order

    def find(self, client_id: str, symbol: str, venue_id: str) -> Managed | None:
        """By either name, to change it."""
        order = self.orders.get(client_id) or self.by_venue_id.get((symbol, venue_id))
        if order is not None:
            self.mark(order)
        return order

    def name(self, order: Managed, venue_id: str) -> None:
        """The venue's id; one that has fired has another than while it waited, and late words may
        still use that one."""
        symbol = order.spec.symbol
        if order.venue_id:
            self._former.setdefault(order.client_id, []).append((symbol, order.venue_id))
        order.venue_id = venue_id
        self.by_venue_id[symbol, venue_id] = order

    def rename(self, order: Managed, name: str) -> None:
        """It has another client id at the venue, and will have another id of the venue's."""
        self._aliases.setdefault(order.client_id, []).append(name)
        self.orders[name] = order
        order.former = (*order.former, *filter(None, (order.name, order.venue_id)))
        if order.venue_id:
            former = self._former.setdefault(order.client_id, [])
            former.append((order.spec.symbol, order.venue_id))
        order.sent_as, order.venue_id = name, ""

    def end(self, order: Managed) -> None:
        """It leaves the open ones; the oldest of the ended is forgotten."""
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

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> DirectoryRecord:
        return DirectoryRecord(
            list(self.open.values()), [self.orders[name] for name in self._ended], self._former, self._aliases
        )

    def restore(self, record: DirectoryRecord) -> None:
        """Fill an empty directory."""
        self._former.update(record.former)
        self._aliases.update(record.aliases)
        for order in record.ended:
            self._file(order)
            self._ended.append(order.client_id)
        for order in record.open:
            self._file(order)
            self.open[order.client_id] = order
            self.mark(order)

    def _file(self, order: Managed) -> None:
        """Under all its names."""
        for name in (order.client_id, *self._aliases.get(order.client_id, ())):
            self.orders[name] = order
        if order.robot:
            self.by_robot[order.robot, order.order_id] = order
        symbol, venue_id = order.spec.symbol, order.venue_id
        for key in self._former.get(order.client_id, ()):
            self.by_venue_id[key] = order
        if venue_id:
            self.by_venue_id[symbol, venue_id] = order

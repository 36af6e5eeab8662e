"""The dead man's switch: the venue cancels what it holds unless it is told again in time."""

from __future__ import annotations

from onetape.orders.manager import OrderManager

__all__ = ["DeadMan"]


class DeadMan:
    """after: of silence, ns; 0: there is none."""

    def __init__(self, manager: OrderManager, after: int) -> None:
        self._manager, self._after = manager, after
        self._due = 0  # when it is armed again

    def arm(self, now: int) -> None:
        """Where that is due: of all that has something open."""
        if not self._after or now < self._due:
            return
        self._due = now + self._after // 3
        manager, venue = self._manager, self._manager.venue
        symbols = sorted({order.spec.symbol for order in manager.open.values()})
        if symbols and not venue.traits.dead_man_by_symbol:
            symbols = [""]
        for symbol in symbols:
            call = venue.dead_man(symbol, now, after=self._after)
            if call is not None:
                manager.calls.append(call)

"""Cancel orders that a strategy's desks no longer want until they are closed: a refused cancel is repeated.

Otherwise an algorithm would wait for such an order forever, a replaced stop would stay at the venue, and a caller at
each quote would send a cancel with each. Retries happen here, one at a time, with a delay that doubles after each
refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from onetape.engine.handlers import PRIVATE_TIMER
from onetape.engine.marks import CHANGING
from onetape.model.back_off import back_off
from onetape.model.time import SECOND

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host

__all__ = ["RESUMED", "Withdrawals"]

# Health states after which refused requests are possible again.
RESUMED: Final = frozenset({("gateway", "live"), ("account stream", "live"), ("trading", "started")})

RETRY_NS: Final = SECOND // 4  # after a refusal, doubled with each
RETRY_NS_MAX: Final = 64 * 10**9
SAID_AT: Final = 3  # refusals: one or two are usual for an order that fills meanwhile


@dataclass(slots=True)
class _Withdrawal:
    order: _core.Order
    refusals: int = 0
    retry_at: int = 0  # ns, 0: an answer is awaited


class Withdrawals:
    """Cancels orders of one strategy until they are closed. Created before the desks that use it, it handles order
    events before they do."""

    def __init__(self, host: Host, base: type, owner: str) -> None:
        """owner: location of the strategy in the run."""
        self._host, self._loop = host, host.loop
        self._timer = f"{PRIVATE_TIMER}withdraw{owner}"
        self._orders: dict[int, _Withdrawal] = {}
        handlers = host.handlers_of(base)
        handlers.on("timer", self._on_timer)
        handlers.on("order", self._on_order)
        handlers.on("health", self._on_health)

    def has(self, order: _core.Order) -> bool:
        """Returns True while the order is being canceled."""
        return order.id in self._orders

    def of(self, symbol: str) -> list[_core.Order]:
        """Returns the orders of a symbol that are being canceled."""
        return [each.order for each in self._orders.values() if each.order.symbol == symbol]

    def cancel(self, order: _core.Order) -> None:
        """Cancel an order; one being canceled keeps its retry time."""
        if order.is_closed or order.id in self._orders:
            return
        self._orders[order.id] = each = _Withdrawal(order)
        self._ask(each)

    def _on_order(self, order: _core.Order) -> None:
        """Tries a refused cancel later, and forgets an order that is closed."""
        each = self._orders.get(order.id)
        if each is None:
            return
        if order.is_closed:
            del self._orders[order.id]
        elif order.state not in CHANGING and not each.retry_at:
            self._refused(each)

    def _on_timer(self, name: str) -> None:
        if name == self._timer:
            self._repeat(self._loop.now)

    def _on_health(self, health: _core.Health) -> None:
        """Sends all cancels that were refused once a gateway or its stream is back, or trading starts."""
        if (health.kind, health.state) in RESUMED:
            self._repeat(max((each.retry_at for each in self._orders.values()), default=0))

    def _repeat(self, until: int) -> None:
        for each in tuple(self._orders.values()):
            if 0 < each.retry_at <= until:
                each.retry_at = 0
                self._ask(each)
        self._wake()

    def _ask(self, each: _Withdrawal) -> None:
        self._loop.cancel(each.order)
        if each.order.is_closed:
            self._orders.pop(each.order.id, None)
        elif each.order.state not in CHANGING:  # refused before it was sent
            self._refused(each)

    def _refused(self, each: _Withdrawal) -> None:
        each.refusals += 1
        each.retry_at = self._loop.now + back_off(RETRY_NS, each.refusals, RETRY_NS_MAX)
        if each.refusals == SAID_AT:
            order = each.order
            words = f"refused {each.refusals} times, last {order.code} {order.reason}; it is tried further on"
            fields = {"order": order.id, "symbol": order.symbol}
            self._host.log(f"order {order.id} of {order.symbol} is not canceled: {words}", "warning", fields)
        self._wake()

    def _wake(self) -> None:
        if times := [each.retry_at for each in self._orders.values() if each.retry_at]:
            self._loop.set_timer(self._timer, 0, min(times))

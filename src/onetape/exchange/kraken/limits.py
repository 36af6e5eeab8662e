"""Rate limits of Kraken spot: a counter for each key, and one for each pair.

Both decay with time. The counter of a key counts private requests that read; that of a pair counts actions on orders,
which cost more for young orders. Refused requests count, too: the venue's page says only that a limit may last longer
for a client that continues, and we take the stricter reading. Source: docs.kraken.com "Spot REST Rate Limits" (a key's
counter and its rates, history counts twice) and "Spot Trading Limits" (costs, thresholds), read 2026-11. The decay of a
pair's counter (1, 2.34 and 3.75 a second by tier) is as several clients quote that page, read 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from onetape.exchange.kraken.wire import Refused
from onetape.model.time import SECOND

__all__ = ["ORDER_METHODS", "Counter", "Limits", "amend_cost", "cancel_cost", "edit_cost"]

MICRO: Final = 1_000_000
# The middle tier, "Intermediate": maximum, and decay in millionths per second.
KEY: Final = (20, 500_000)
PAIR: Final = (125, 2_340_000)
ORDERS_MAX: Final = 80  # open orders per pair
HISTORY: Final = frozenset({"ClosedOrders", "TradesHistory", "QueryTrades", "Ledgers", "QueryLedgers"})
ORDER_METHODS: Final = frozenset(  # these count for a pair, not for a key
    {
        "AddOrder",
        "AddOrderBatch",
        "AmendOrder",
        "EditOrder",
        "CancelOrder",
        "CancelOrderBatch",
        "CancelAll",
        "CancelAllOrdersAfter",
    }
)
# (age in seconds, surcharge) for actions on orders younger than that.
_AMEND: Final = ((5, 3), (10, 2), (15, 1))
_EDIT: Final = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
_CANCEL: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


def _by_age(table: tuple[tuple[int, int], ...], age: int) -> int:
    return next((cost for most, cost in table if age < most * SECOND), 0)


def amend_cost(age: int) -> int:
    """Returns the cost of an amendment. age: ns since the order was placed, here and below."""
    return 1 + _by_age(_AMEND, age)


def edit_cost(age: int) -> int:
    return 1 + _by_age(_EDIT, age)


def cancel_cost(age: int) -> int:
    return _by_age(_CANCEL, age)


@dataclass(slots=True)
class Counter:
    used: int = 0  # millionths
    at: int = 0

    def spend(self, cost: int, rate: int, now: int) -> int:
        self.used = max(0, self.used - (now - self.at) * rate // SECOND) + cost * MICRO
        self.at = now
        return self.used


@dataclass(slots=True)
class Limits:
    """Counts the costs of requests. `is_on` False counts without refusing."""

    is_on: bool = True
    key: tuple[int, int] = KEY
    keys: dict[str, Counter] = field(default_factory=dict)
    pairs: dict[tuple[int, int], Counter] = field(default_factory=dict)

    def spend(self, key: str, method: str, now: int) -> None:
        """Counts a private REST request. Raises Refused."""
        if method in ORDER_METHODS:
            return
        most, rate = self.key
        counter = self.keys.setdefault(key, Counter())
        used = counter.spend(2 if method in HISTORY else 1, rate, now)
        if self.is_on and used > most * MICRO:
            raise Refused("EAPI:Rate limit exceeded")

    def spend_pair(self, account: int, index: int, cost: int, now: int) -> None:
        """Counts an action on an order of a pair. Raises Refused."""
        most, rate = PAIR
        used = self.pairs.setdefault((account, index), Counter()).spend(cost, rate, now)
        if self.is_on and used > most * MICRO:
            raise Refused("EOrder:Rate limit exceeded")

    def used_pair(self, account: int, index: int, now: int) -> float:
        """Returns the counter of a pair."""
        counter = self.pairs.setdefault((account, index), Counter())
        return counter.spend(0, PAIR[1], now) / MICRO

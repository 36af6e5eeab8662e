"""Bybit v5: requests of an address in five seconds, and orders of an account in a second.

Source: Bybit API documentation v5, "Rate Limit", as of 2026-07.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from onetape.exchange.bybit.public import SPOT
from onetape.exchange.bybit.wire import Refused, ms
from onetape.model.time import MINUTE, SECOND

__all__ = ["Limits"]

REQUESTS: Final = 600
SPAN: Final = 5 * SECOND
LOCKED: Final = 10 * MINUTE
ORDERS: Final = 10  # a second, of each kind of request about orders
SPOT_ORDERS: Final = 20
READS: Final = 50


@dataclass(slots=True)
class Limits:
    """Counts for all addresses and accounts. is_on: False counts without refusing."""

    is_on: bool = True
    addresses: dict[str, deque[int]] = field(default_factory=dict)
    locked: dict[str, int] = field(default_factory=dict)  # address -> until when it is refused
    accounts: dict[tuple[int, str], deque[int]] = field(default_factory=dict)

    def enter(self, address: str, now: int) -> None:
        """Counts a request of an address. Raises Refused with HTTP status 403."""
        times = self.addresses.setdefault(address, deque())
        while times and times[0] <= now - SPAN:
            times.popleft()
        times.append(now)
        if not self.is_on:
            return
        if len(times) > REQUESTS:
            self.locked[address] = now + LOCKED
        if self.locked.get(address, 0) > now:
            raise Refused(10018, "access too frequent", status=403)

    def spend(self, account: int, name: str, now: int, *, count: int = 1, category: object = "") -> dict[str, str]:
        """Returns the headers with what is left of an account's second. category: of orders: spot has its own pool.
        Raises Refused."""
        most = ORDERS if name.startswith("order/") and name not in ("order/realtime", "order/history") else READS
        if category == SPOT:
            name = f"{name} {SPOT}"
            most = ORDERS if name.startswith("order/amend") else SPOT_ORDERS
        times = self.accounts.setdefault((account, name), deque())
        while times and times[0] <= now - SECOND:
            times.popleft()
        left = most - len(times) - count
        reset = times[0] + SECOND if times else now
        if left < 0 and self.is_on:
            refused = Refused(10006, "Too many visits!")
            refused.headers = headers_of(most, 0, reset)
            raise refused
        times.extend([now] * count)
        return headers_of(most, max(left, 0), reset)


def headers_of(most: int, left: int, reset: int) -> dict[str, str]:
    names = ("X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Bapi-Limit-Reset-Timestamp")
    return dict(zip(names, map(str, (most, left, ms(reset))), strict=True))

"""OKX v5: requests of an endpoint in two seconds: of an account, of orders of an account and an instrument, or of an
address. Source: OKX API v5 documentation, "Rate Limits" and each endpoint, as of 2026-07; endpoints not listed here
have 20 (unverified)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from onetape.exchange.okx.wire import Refused
from onetape.model.time import SECOND

__all__ = ["Limits"]

SPAN: Final = 2 * SECOND
ORDERS: Final = 60  # singly, of each kind of request
IN_BATCHES: Final = 300
OF_ACCOUNT: Final = 1000  # new and amended orders
USUAL: Final = 20
_MOST: Final = {
    "account/config": 5,
    "account/set-position-mode": 5,
    "account/trade-fee": 5,
    "account/positions": 10,
    "account/balance": 10,
    "account/bills": 10,
    "account/bills-archive": 10,
    "trade/fills-history": 10,
    "trade/order": 60,
    "trade/orders-pending": 60,
    "trade/orders-history": 40,
    "trade/fills": 60,
    "trade/cancel-all-after": 2,
    "asset/transfer": 4,
    "asset/bills": 12,
    "asset/balances": 12,
    "public/time": 10,
    "market/books": 40,
    "market/candles": 40,
    "market/trades": 100,
}


@dataclass(slots=True)
class Limits:
    """Counts for all addresses and accounts. is_on: False counts without refusing."""

    is_on: bool = True
    _times: dict[tuple[object, str], deque[int]] = field(default_factory=dict)

    def spend(self, owner: object, name: str, now: int) -> None:
        """Counts a request of an account or an address. Raises Refused."""
        self._count((owner, name), now, 1, _MOST.get(name, USUAL))

    def spend_orders(self, account: int, name: str, at: int, now: int, count: int) -> None:
        """Counts orders of one request. Raises Refused."""
        is_batch = count > 1
        most = IN_BATCHES if is_batch else ORDERS
        self._count(((account, at), f"{name}{'s' if is_batch else ''}"), now, count, most)
        if name in ("order", "amend-order"):
            self._count((account, "orders"), now, count, OF_ACCOUNT, code=50061)

    def _count(self, key: tuple[object, str], now: int, count: int, most: int, *, code: int = 50011) -> None:
        times = self._times.setdefault(key, deque())
        while times and times[0] <= now - SPAN:
            times.popleft()
        if len(times) + count > most and self.is_on:
            raise Refused(code, status=429 if code == 50011 else 200)
        times.extend([now] * count)

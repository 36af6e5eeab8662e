"""Pacifica: credits of a rolling minute, by address or by account with an API config key.

Source: docs.pacifica.fi "Rate limits" (2026): 100 credits without and 300 with such a key at the base tier. A request
costs 1, a cancel 0.5, reading a history up to 12 (4 with a key). Header and `rl` show tenths of a credit, as one copy
of that page has them; the header's name is unverified.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from onetape.exchange.pacifica.wire import Refused
from onetape.model.time import MINUTE, SECOND

__all__ = ["Limits"]

QUOTA: Final = (1000, 3000)  # tenths, without and with a key
NORMAL, CANCEL, HEAVY, HEAVY_KEYED = 10, 5, 120, 40
_HEAVY: Final = frozenset(
    {"kline", "kline/mark", "trades/history", "account/balance/history", "orders/history", "orders/twap/history"}
)


@dataclass(slots=True)
class _Spent:
    total: int = 0
    rows: deque[tuple[int, int]] = field(default_factory=deque)  # (time, tenths)


@dataclass(slots=True)
class Limits:
    """Counts for all addresses and keys. `is_on` False counts without refusing."""

    is_on: bool = True
    spent: dict[str, _Spent] = field(default_factory=dict)

    def spend(self, who: str, path: str, now: int, *, has_key: bool) -> dict[str, Any]:
        """Returns the remaining credits in the form of `rl`. Raises Refused with 429."""
        cost = CANCEL if "cancel" in path else NORMAL
        if path in _HEAVY:
            cost = HEAVY_KEYED if has_key else HEAVY
        spent = self.spent.setdefault(who, _Spent())
        while spent.rows and spent.rows[0][0] <= now - MINUTE:
            spent.total -= spent.rows.popleft()[1]
        quota = QUOTA[has_key]
        reset = -(-(spent.rows[0][0] + MINUTE - now) // SECOND) if spent.rows else 60
        left = quota - spent.total - cost
        if left < 0 and self.is_on:
            refused = Refused("Rate limit exceeded", 429)
            refused.headers = {"retry-after": str(reset), "ratelimit": f'"credits";r=0;t={reset}'}
            raise refused
        spent.total += cost
        spent.rows.append((now, cost))
        return {"r": max(left, 0), "q": quota, "t": reset, "w": 60}

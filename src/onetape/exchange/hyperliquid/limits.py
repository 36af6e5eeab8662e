"""Hyperliquid: the weight of an address in a rolling minute, the requests of a wallet, and connections.

Source: hyperliquid.gitbook.io "Rate limits and user limits", as of 2026-10: 1200 a minute for an address; 10,000
requests for a wallet and one more for each dollar traded, then one in ten seconds. Cancels may go on beyond that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.hyperliquid.wire import Refused
from onetape.model.time import MINUTE, SECOND

__all__ = ["LIGHT", "Limits", "weight_of"]

WEIGHT_MAX: Final = 1200
REQUESTS_FREE: Final = 10_000
SLOW: Final = 10 * SECOND
LIGHT: Final = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
_ROWS: Final = {"candleSnapshot": 60}  # rows for one more; of other lists 20


def weight_of(kind: str, found: Any) -> int:
    """Returns the weight of a query with this answer."""
    if kind in LIGHT:
        return 2
    rows = len(found) if isinstance(found, list) and kind not in ("metaAndAssetCtxs", "spotMetaAndAssetCtxs") else 0
    return 60 if kind == "userRole" else 20 + rows // _ROWS.get(kind, 20)


@dataclass(slots=True)
class _Spent:
    total: int = 0
    rows: deque[tuple[int, int]] = field(default_factory=deque)  # (time, weight)


@dataclass(slots=True)
class Limits:
    """Counts for all addresses and wallets. is_on: False counts without refusing."""

    is_on: bool = True
    spent: dict[str, _Spent] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)  # wallet -> its requests
    bought: dict[str, int] = field(default_factory=dict)
    slow_until: dict[str, int] = field(default_factory=dict)

    def check(self, address: str, now: int) -> None:
        """Raises Refused with HTTP status 429."""
        spent = self.spent.setdefault(address, _Spent())
        while spent.rows and spent.rows[0][0] <= now - MINUTE:
            spent.total -= spent.rows.popleft()[1]
        if self.is_on and spent.total >= WEIGHT_MAX:
            raise Refused("null", 429)

    def spend(self, address: str, weight: int, now: int) -> None:
        spent = self.spent.setdefault(address, _Spent())
        spent.total += weight
        spent.rows.append((now, weight))

    def cap(self, account: SimAccount) -> int:
        """Returns how many requests a wallet has in all."""
        instruments = account.instruments
        traded = sum(abs(instruments[o.index].notional_units(fill.price, fill.size)) for o, fill in account.trades)
        return REQUESTS_FREE + traded // 10**18 + self.bought.get(account.key, 0)

    def enter(self, account: SimAccount, count: int, now: int, *, cancels: bool) -> None:
        """Counts requests of a wallet. Raises Refused."""
        used = self.used.get(account.key, 0) + count
        self.used[account.key] = used
        if not self.is_on or used <= REQUESTS_FREE:
            return
        most = self.cap(account)
        if used <= (min(most + 100_000, 2 * most) if cancels else most):
            return
        if now >= self.slow_until.get(account.key, 0):
            self.slow_until[account.key] = now + SLOW
            return
        raise Refused(
            f"Too many cumulative requests sent ({used} > {most}) for cumulative volume traded "
            f"${most - REQUESTS_FREE:.2f}. Place taker orders to free up 1 request per USDC traded."
        )

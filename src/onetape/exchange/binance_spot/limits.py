"""Request weights of Binance spot. Source: the weights of its REST endpoints and "LIMITS", as of 2026-07.

Successful changes of orders have no weight since 2026-04-02; here refused ones have none either.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.binance.limits import Terms

__all__ = ["RAW_REQUESTS", "TERMS"]

RAW_REQUESTS: Final[dict[str, Any]] = {
    "rateLimitType": "RAW_REQUESTS",
    "interval": "MINUTE",
    "intervalNum": 5,
    "limit": 300_000,
}
_FIXED: Final = {
    "GET exchangeInfo": 20,
    "GET trades": 25,
    "GET historicalTrades": 25,
    "GET aggTrades": 4,
    "GET klines": 2,
    "GET uiKlines": 2,
    "GET avgPrice": 2,
    "GET account": 20,
    "GET account/commission": 20,
    "GET order": 4,
    "GET allOrders": 20,
    "GET rateLimit/order": 40,
    "GET order/amendments": 4,
    "POST order": 0,
    "DELETE order": 0,
    "DELETE openOrders": 0,
    "PUT order/amend/keepPriority": 0,
    "POST order/cancelReplace": 0,
    "GET orderList": 4,
    "GET allOrderList": 20,
    "GET openOrderList": 6,
    "POST orderList/oco": 0,
    "POST orderList/oto": 0,
    "POST orderList/otoco": 0,
    "DELETE orderList": 0,
}
# With a symbol, and without.
_BY_SYMBOL: Final = {
    "GET openOrders": (6, 80),
    "GET ticker/24hr": (2, 80),
    "GET ticker/price": (2, 4),
    "GET ticker/bookTicker": (2, 4),
    "GET executionRules": (2, 40),
}
_DEPTH: Final = ((100, 5), (500, 25), (1000, 50), (5000, 250))


def _weight_of(method: str, path: str, params: dict[str, str]) -> int:
    name = f"{method} {path.partition('/v3/')[2]}"
    if name in _FIXED:
        return _FIXED[name]
    if name in _BY_SYMBOL:
        return _BY_SYMBOL[name][0 if params.get("symbol") or params.get("symbols") else 1]
    if name == "GET depth":
        limit = params.get("limit", "100")
        return next((w for most, w in _DEPTH if int(limit if limit.isdigit() else 100) <= most), _DEPTH[-1][1])
    if name == "GET myTrades":
        return 5 if params.get("orderId") else 20
    return 1


TERMS: Final = Terms(6000, ((10, 100), (86_400, 200_000)), _weight_of)

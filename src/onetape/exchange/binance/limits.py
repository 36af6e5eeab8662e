"""Request weights of Binance USD-M: the cost of each request, and the usage of each client.

Weight is counted by address and minute, orders by account in ten seconds and a minute. A client that continues after
HTTP 429 is banned with 418. Source: exchangeInfo and "LIMITS", as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from onetape.exchange.binance.wire import Refused
from onetape.model.time import SECOND

__all__ = ["Limits", "Terms", "weight_of"]

WEIGHT_A_MINUTE: Final = 2400
ORDERS: Final = ((10, 300), (60, 1200))  # seconds, orders
UNLIMITED: Final = 1_000_000  # the announced limit if no request is refused
BAN_AFTER: Final = 10  # refused requests within a minute
BAN_NS: Final = 120 * SECOND

_FIXED: Final = {
    ("GET", "/fapi/v1/trades"): 5,
    ("GET", "/fapi/v1/aggTrades"): 20,
    ("GET", "/fapi/v1/historicalTrades"): 200,
    ("GET", "/fapi/v1/fundingRate"): 0,
    ("GET", "/fapi/v1/fundingInfo"): 0,
    ("POST", "/fapi/v1/order"): 0,
    ("PUT", "/fapi/v1/order"): 0,
    ("POST", "/fapi/v1/batchOrders"): 0,
    ("PUT", "/fapi/v1/batchOrders"): 0,
    ("POST", "/fapi/v1/algoOrder"): 0,
    ("GET", "/fapi/v1/allOrders"): 5,
    ("GET", "/fapi/v1/allAlgoOrders"): 5,
    ("POST", "/fapi/v1/countdownCancelAll"): 10,
    ("GET", "/fapi/v1/userTrades"): 5,
    ("GET", "/fapi/v1/income"): 30,
    ("GET", "/fapi/v1/positionSide/dual"): 30,
    ("GET", "/fapi/v1/multiAssetsMargin"): 30,
    ("GET", "/fapi/v1/adlQuantile"): 5,
    ("GET", "/fapi/v2/account"): 5,
    ("GET", "/fapi/v3/account"): 5,
    ("GET", "/fapi/v2/balance"): 5,
    ("GET", "/fapi/v3/balance"): 5,
    ("GET", "/fapi/v2/positionRisk"): 5,
    ("GET", "/fapi/v3/positionRisk"): 5,
    ("GET", "/fapi/v1/accountConfig"): 5,
    ("GET", "/fapi/v1/symbolConfig"): 5,
    ("GET", "/fapi/v1/commissionRate"): 20,
    # Only Aster has this path.
    ("GET", "/fapi/v3/accountWithJoinMargin"): 5,
    ("GET", "/fapi/v3/historicalTrades"): 20,
    ("GET", "/fapi/v3/stpMode"): 30,
    ("POST", "/fapi/v3/batchOrders"): 5,
}
# More expensive without a symbol: (weight with, weight without).
_BY_SYMBOL: Final = {
    ("GET", "/fapi/v1/openOrders"): (1, 40),
    ("GET", "/fapi/v1/openAlgoOrders"): (1, 40),
    ("GET", "/fapi/v1/premiumIndex"): (1, 10),
    ("GET", "/fapi/v1/assetIndex"): (1, 10),
    ("GET", "/fapi/v1/ticker/24hr"): (1, 40),
    ("GET", "/fapi/v1/ticker/price"): (1, 2),
    ("GET", "/fapi/v2/ticker/price"): (1, 2),
    ("GET", "/fapi/v1/ticker/bookTicker"): (2, 5),
    ("GET", "/fapi/v1/forceOrders"): (20, 50),
}
_DEPTH: Final = ((50, 2), (100, 5), (500, 10), (1000, 20))
_KLINES: Final = ((99, 1), (499, 2), (1000, 5), (1500, 10))


def weight_of(method: str, path: str, params: dict[str, str]) -> int:
    """Returns the weight of a request to the USD-M market."""
    # The third version of Aster's API has the names of Binance's first.
    for key in ((method, path), (method, path.replace("/fapi/v3/", "/fapi/v1/"))):
        if key in _FIXED:
            return _FIXED[key]
        if key in _BY_SYMBOL:
            return _BY_SYMBOL[key][0 if params.get("symbol") else 1]
    if path.endswith(("/depth", "/rpiDepth")):
        return _step(_DEPTH, params.get("limit", "500"))
    if path.lower().endswith("klines"):
        return _step(_KLINES, params.get("limit", "500"))
    return 1


def _step(table: tuple[tuple[int, int], ...], limit: str) -> int:
    number = int(limit) if limit.isdigit() else 500
    return next((weight for most, weight in table if number <= most), table[-1][1])


class Terms(NamedTuple):
    """The limits of a market. weight: of an address in a minute; orders: (seconds, orders) of an account; weight_of: of
    a request, by method, path and parameters."""

    weight: int
    orders: tuple[tuple[int, int], ...]
    weight_of: Callable[[str, str, dict[str, str]], int]


USDM: Final = Terms(WEIGHT_A_MINUTE, ORDERS, weight_of)
_INTERVALS: Final = ((86_400, "DAY"), (60, "MINUTE"), (1, "SECOND"))


def _interval(seconds: int) -> tuple[str, int]:
    return next((word, seconds // unit) for unit, word in _INTERVALS if not seconds % unit)


@dataclass(slots=True)
class _Address:
    minute: int = 0
    weight: int = 0
    refused: int = 0
    banned_until: int = 0


@dataclass(slots=True)
class Limits:
    """Counts requests of all addresses and accounts. is_on: False counts without refusing, and announces no limits, so
    that clients that respect announced limits are not slowed down."""

    is_on: bool = True
    terms: Terms = USDM
    addresses: dict[str, _Address] = field(default_factory=dict)
    orders: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def spend(self, address: str, weight: int, now: int) -> dict[str, str]:
        """Returns the headers with the used weight. Raises Refused with 429 or 418."""
        counted = self.addresses.get(address)
        if counted is None:
            counted = self.addresses[address] = _Address()
        minute = now // (60 * SECOND)
        if counted.minute != minute:
            counted.minute, counted.weight, counted.refused = minute, 0, 0
        if self.is_on and now < counted.banned_until:
            raise Refused(
                -1003,
                status=418,
                text=f"Way too many requests; IP({address}) banned until "
                f"{counted.banned_until // 1_000_000}. Please use the websocket for live updates "
                "to avoid bans.",
            )
        counted.weight += weight
        if self.is_on and counted.weight > self.terms.weight:
            counted.refused += 1
            if counted.refused > BAN_AFTER:
                counted.banned_until = now + BAN_NS
            raise Refused(-1003, address, self.terms.weight, status=429)
        return {"X-MBX-USED-WEIGHT-1M": str(counted.weight)}

    def used(self, address: str, now: int) -> int:
        """Returns the weight of the current minute."""
        counted = self.addresses.get(address)
        return counted.weight if counted and counted.minute == now // (60 * SECOND) else 0

    def retry_after(self, address: str, now: int) -> int:
        """Returns the seconds until requests are accepted again."""
        counted = self.addresses.get(address, _Address())
        if now < counted.banned_until:
            return max((counted.banned_until - now) // SECOND, 1)
        return 60 - now // SECOND % 60

    def spend_orders(self, account: int, count: int, now: int) -> dict[str, str]:
        headers = {}
        for seconds, most in self.terms.orders:
            window = now // (seconds * SECOND)
            at, used = self.orders.get((account, seconds), (window, 0))
            used = (used if at == window else 0) + count
            if self.is_on and used > most:
                word, count = _interval(seconds)
                unit = f"{count} {word}{'S' if count > 1 else ''}"
                wait = seconds - now // SECOND % seconds
                raise Refused(-1015, most, unit, status=429, wait=wait)
            self.orders[account, seconds] = (window, used)
            word, number = _interval(seconds)
            headers[f"X-MBX-ORDER-COUNT-{number}{word[0]}"] = str(used)
        return headers

    def give_back(self, account: int, now: int, count: int = 1) -> None:
        """Takes orders off the counts of the current windows, where only unfilled orders count."""
        for seconds, _ in self.terms.orders:
            at, used = self.orders.get((account, seconds), (0, 0))
            if at == now // (seconds * SECOND):
                self.orders[account, seconds] = (at, max(used - count, 0))

    def used_orders(self, account: int, now: int) -> dict[int, int]:
        """Returns the counts of the current windows, by their seconds."""
        found = {}
        for seconds, _ in self.terms.orders:
            at, used = self.orders.get((account, seconds), (0, 0))
            found[seconds] = used if at == now // (seconds * SECOND) else 0
        return found

    def announced_orders(self) -> list[dict[str, Any]]:
        """Returns the rows of `rateLimits` for orders."""
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": _interval(seconds)[0],
                "intervalNum": _interval(seconds)[1],
                "limit": most if self.is_on else UNLIMITED,
            }
            for seconds, most in self.terms.orders
        ]

    def announced_weight(self) -> dict[str, Any]:
        """Returns the row of `rateLimits` for requests."""
        return {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": self.terms.weight if self.is_on else UNLIMITED,
        }

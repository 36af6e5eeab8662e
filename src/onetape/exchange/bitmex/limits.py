"""Request limits of BitMEX: a budget per minute that refills continuously, and one per second for changes of orders.
Source: BitMEX documentation, "Rate Limits" (2019 to 2026)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from onetape.exchange.bitmex.wire import Refused
from onetape.model.time import SECOND

__all__ = ["Limits"]

A_MINUTE: Final = (30, 120)  # without and with a key
A_SECOND: Final = 10  # placing, amending and canceling


@dataclass(slots=True)
class _Bucket:
    """A bucket of requests. spent: in 1e-9 of a request, at the time `at`."""

    spent: int = 0
    at: int = 0

    def take(self, most: int, window: int, now: int) -> int:
        """Counts one request, and returns how many remain; negative if it exceeds the limit, and is then not
        counted."""
        refill = (now - self.at) * most * SECOND // window
        self.spent, self.at = max(self.spent - refill, 0), now
        left = most * SECOND - self.spent - SECOND
        if left >= 0:
            self.spent += SECOND
        return left // SECOND


@dataclass(slots=True)
class Limits:
    """Counts for all keys and addresses. `is_on` False counts without refusing."""

    is_on: bool = True
    buckets: dict[tuple[str, int], _Bucket] = field(default_factory=dict)

    def spend(self, who: str, *, has_key: bool, is_order: bool, now: int) -> dict[str, str]:
        """Returns the headers with the remaining requests. Raises TooMany, with the headers of the answer in
        `headers`."""
        most = A_MINUTE[has_key]
        left = self.buckets.setdefault((who, 60), _Bucket()).take(most, 60 * SECOND, now)
        headers = {
            "x-ratelimit-limit": str(most),
            "x-ratelimit-remaining": str(max(left, 0)),
            "x-ratelimit-reset": str(now // SECOND + 1),
        }
        wait = 0 if left >= 0 else -(-60 // most)
        if is_order:
            left = self.buckets.setdefault((who, 1), _Bucket()).take(A_SECOND, SECOND, now)
            headers["x-ratelimit-remaining-1s"] = str(max(left, 0))
            wait = wait or (1 if left < 0 else 0)
        if wait and self.is_on:
            raise TooMany(wait, {**headers, "retry-after": str(wait)})
        return headers


class TooMany(Refused):
    """Refuses a request with 429 and its headers."""

    def __init__(self, wait: int, headers: dict[str, str]) -> None:
        super().__init__("Rate limit exceeded, retry in {} seconds.", wait, status=429, name="RateLimitError")
        self.headers = headers

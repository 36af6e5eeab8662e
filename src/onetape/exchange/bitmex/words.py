"""Reads BitMEX's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.dialect import Reply
from onetape.exchange.fault_facts import Said, VenueWords, ways
from onetape.orders.outcome import Outcome
from onetape.venues.bitmex.errors import ERRORS

__all__ = ["BitmexWords"]

WAYS: Final = ways("""
place: POST order | POST order/bulk
amend: PUT order
cancel: DELETE order | DELETE order/all
open_orders: GET order
dead_man: POST order/cancelAllAfter | WS cancelAllAfter
fills: GET execution | GET execution/tradeHistory
positions: GET position
balances: GET user/margin | GET user/wallet
instruments: GET instrument | GET instrument/active
""")
STATUSES: Final = {"VenueUnavailable": 503, "VenueRateLimit": 429}  # all others: the status of an ambiguous error


class BitmexWords(VenueWords):
    ways = WAYS
    errors = ERRORS
    root = "/api/v1/"

    def event_of(self, value: Mapping[str, Any]) -> tuple[str, bool]:
        event = str(value.get("table", ""))
        return event, event in ("order", "execution", "position", "margin", "wallet")

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(name)
        if row is None:
            return None
        is_ambiguous = row.outcome is Outcome.AMBIGUOUS
        usual = STATUSES.get(row.error.__name__, 500 if is_ambiguous else 400)
        return _error(name.replace("{}", "1"), status or usual), is_ambiguous

    def maintenance(self) -> Reply:
        return _error("Service unavailable", 503)


def _error(message: str, status: int) -> Reply:
    return Reply.json({"error": {"message": message, "name": "HTTPError"}}, status)

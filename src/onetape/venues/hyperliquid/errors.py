"""Errors of Hyperliquid: outcome, our number.

They have no numbers: an error is distinguished by the beginning of its text. One of a whole request comes as
`{"status": "err"}`, one of an order in the list of statuses, and a malformed request with HTTP status 422. Sources:
hyperliquid.gitbook.io "Error responses", ccxt 4.5.90 (texts that it expects), as of 2026-10. The classes are ours.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.error_tables import ErrorRow, error_table

__all__ = ["ERRORS", "GONE", "UNMATCHED"]

ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
ambiguous ORDER_OUTCOME_UNKNOWN: Internal error | 500 Internal Server Error | 502 Bad Gateway | 504 Gateway Timeout
ambiguous ORDER_UNKNOWN: Order was never placed, already canceled, or filled. | Cannot modify canceled or filled order
ambiguous VENUE_UNAVAILABLE: 503 Service Unavailable
safe VENUE_RATE_LIMIT: Too many cumulative requests sent | 429 Too Many Requests
safe CLOCK_SKEW: Invalid nonce | Expired
definitive PERMISSION_DENIED: User or API Wallet | L1 error: User or API Wallet | 403 Forbidden
definitive INSUFFICIENT_FUNDS: Insufficient | Must deposit before performing actions
definitive ORDER_INVALID: Price must be divisible by tick size | Order has invalid | Order has zero size
    Failed to deserialize | Invalid leverage | 422 Unprocessable Entity
definitive ORDER_WOULD_TRIGGER: Invalid TP/SL price
definitive ORDER_WOULD_CROSS: Post only order would have immediately matched
definitive ORDER_BELOW_MIN_NOTIONAL: Order must have minimum value
definitive REDUCE_ONLY_VIOLATED: Reduce only order would increase position
definitive PRICE_BAND: Order price cannot be more than 80% away | Price too far from oracle
definitive POSITION_LIMIT: Too many open orders | Order would increase open interest | Position exceeds
definitive DUPLICATE_CLIENT_ID: Duplicate cloid *
definitive MARKET_DATA_UNAVAILABLE: No liquidity available for market order.
definitive VENUE_REJECTED: Order could not immediately match
    Cannot set scheduled cancel time | 400 Bad Request | 404 Not Found
""")
GONE: Final = "Order was never placed, already canceled, or filled."
# Answers to an order that took nothing and is over: it ended, and was not refused.
UNMATCHED: Final = ("Order could not immediately match", "No liquidity available for market order")

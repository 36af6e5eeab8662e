"""Errors of Pacifica: outcome, our number.

A business error has HTTP status 422 and a number. Other answers repeat their HTTP status as the number and are
distinguished by the beginning of their text; so are all errors by WebSocket, which share one number. Sources:
docs.pacifica.fi "Error codes", ccxt 4.5.90 (pacifica: names of the numbers, bodies of live answers), as of 2026-10. The
classes are ours.
"""

from __future__ import annotations

from typing import Final

from onetape.model.errors import OrderUnknown
from onetape.venues.error_tables import ErrorRow, error_table, row_of_text

__all__ = ["ERRORS", "GONE", "row_of_error"]

# ORDER_UNKNOWN also answers a cancel that lost a race: the order may have been filled. 420 comes from the engine, whose
# refusals are identified by their texts. "Invalid message": the request came too late; any other "Invalid" is about an
# order's fields.
ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
ambiguous ORDER_OUTCOME_UNKNOWN: 0 UNKNOWN | 14 DATABASE_ERROR | 26 CHANNEL_CLOSED | 27 RESPONSE_DROPPED | 420 engine
ambiguous ORDER_OUTCOME_UNKNOWN: 500 Internal server error | 504 Gateway Timeout
ambiguous ORDER_UNKNOWN: 6 ORDER_NOT_FOUND | 37 UNUSED_CLIENT_ORDER_ID
ambiguous ORDER_UNKNOWN: Failed to cancel order | Order not found | Unused client order id
ambiguous VENUE_UNAVAILABLE: 503 Service Unavailable
safe VENUE_RATE_LIMIT: 429 Too Many Requests
safe CLOCK_SKEW: Invalid message
definitive BAD_SIGNATURE: 401 signature | Verification failed
definitive PERMISSION_DENIED: 1 ACCOUNT_NOT_FOUND | 40 NOT_MAIN_ACCOUNT | 402 signer | 403 Forbidden
definitive PERMISSION_DENIED: Agent not authorized | Beta access required
definitive UNKNOWN_SYMBOL: 3 BOOK_NOT_FOUND | Book not found
definitive ORDER_INVALID: 4 INVALID_TICK_LEVEL | 8 ORDER_AMOUNT_TOO_HIGH | 11 INVALID_LEVERAGE
definitive ORDER_INVALID: 17 INVALID_STOP_ORDER_SIDE | 18 INVALID_STOP_ORDER_AMOUNT | 20 INVALID_ORDER_TYPE
definitive ORDER_INVALID: 51 UNSUPPORTED_OPERATION | 52 INVALID_TICK_SIZE | 59 INVALID_AMOUNT | 400 Bad Request
definitive ORDER_INVALID: Order amount too high | Invalid
definitive ORDER_BELOW_MIN_NOTIONAL: 7 ORDER_AMOUNT_TOO_LOW | Order amount too low
definitive ORDER_WOULD_TRIGGER: 16 INVALID_STOP_TICK
definitive INSUFFICIENT_FUNDS: 5 INSUFFICIENT_BALANCE | 28 IMMEDIATE_LIQUIDATION | Insufficient balance
definitive POSITION_LIMIT: 10 OPEN_ORDER_LIMIT_REACHED | 41 OPEN_INTEREST_LIMIT_EXCEEDED
definitive POSITION_LIMIT: 49 POSITION_TPSL_LIMIT_EXCEEDED | Open interest limit | Open order limit
definitive REDUCE_ONLY_VIOLATED: 13 POSITION_NOT_FOUND | 19 INVALID_STOP_ORDER_REDUCE_ONLY
definitive REDUCE_ONLY_VIOLATED: 21 INVALID_REDUCE_ONLY_ORDER_SIDE | 22 INVALID_REDUCE_ONLY_ORDER_AMOUNT
definitive REDUCE_ONLY_VIOLATED: 23 NO_POSITION_FOR_REDUCE_ONLY_ORDER | No position for reduce only
definitive MARKET_DATA_UNAVAILABLE: 25 NO_REASONABLE_PRICE | 63 MISSING_MARK_PRICE | No reasonable price
definitive PRICE_BAND: 30 PRICE_TOO_FAR_FROM_MARK | Price too far
definitive DUPLICATE_CLIENT_ID: 36 DUPLICATE_CLIENT_ORDER_ID | Duplicate client order id
definitive TRADING_STOPPED: 38 TRADING_DISABLED | Trading disabled
definitive VENUE_REJECTED: 404 Not Found | 409 Conflict | 422 business
""")
GONE: Final = OrderUnknown  # the error after which an order is not working


def row_of_error(status: int, code: object, text: str) -> ErrorRow:
    """Returns the row of an error by the longest matching beginning of its text, else by its number; an ambiguous row
    if the table has neither."""
    return row_of_text(ERRORS, text, code if isinstance(code, int) else status)

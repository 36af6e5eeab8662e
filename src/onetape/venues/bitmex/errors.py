"""Errors of BitMEX: outcome, our number, text. They have no codes, only texts.

Sources: BitMEX documentation, "Errors" and "Overload"; the texts that public clients of the venue match. The venue
closed on 2026-09-23. Texts from memory or third parties only are marked *.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.error_tables import ErrorRow, error_table, row_of

__all__ = ["BY_STATUS", "ERRORS", "row_of_answer"]

# Only the simulated exchange sends "Order was refused" and the texts about functions that are not simulated.
ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
definitive PERMISSION_DENIED: Invalid API Key. | This key is disabled. | Authorization Required | Access Denied
    Account is restricted
definitive BAD_SIGNATURE: Signature not valid.
safe CLOCK_SKEW: This request has expired - `expires` is in the past. Current time: {}
definitive DUPLICATE_CLIENT_ID: Duplicate clOrdID
definitive ORDER_INVALID: orderQty is invalid | Invalid price | Invalid price tickSize * | Invalid stopPx for ordType
    Invalid stopPx tickSize * | Invalid ordType | Invalid side * | Invalid timeInForce * | Invalid execInst *
    Invalid leverage * | Invalid count * | Invalid binSize * | Invalid filter * | Invalid timestamp *
    Invalid body * | clOrdID length exceeds 36 * | {} is a required arg. * | Must send orderID or clOrdID *
    Invalid amend: orderQty, leavesQty, price, pegOffsetValue, and stopPx are all unchanged *
    Trailing and other pegged orders are not simulated | Fractional leverage is not simulated
definitive UNKNOWN_SYMBOL: Invalid symbol *
definitive ORDER_UNKNOWN: Invalid orderID * | Invalid origClOrdID * | Invalid ordStatus
    Unable to cancel order due to existing state: {}
definitive INSUFFICIENT_FUNDS: Account has insufficient Available Balance, {} {} required
definitive POSITION_LIMIT: Value of position and orders exceeds position Risk Limit
definitive TRADING_STOPPED: No liquidity to match a market order *
definitive VENUE_REJECTED: Order was refused | Not Found
safe VENUE_RATE_LIMIT: Rate limit exceeded, retry in {} seconds.
safe VENUE_UNAVAILABLE: The system is currently overloaded. Please try again later. | Service unavailable
ambiguous ORDER_OUTCOME_UNKNOWN: Server Error
""")

# For unknown texts. 503 is sent before a request is accepted, so the request was not executed.
BY_STATUS: Final = error_table("""
definitive VENUE_REJECTED: 400 | 404
definitive PERMISSION_DENIED: 401 | 403
safe VENUE_RATE_LIMIT: 429
safe VENUE_UNAVAILABLE: 503
""")


def row_of_answer(status: int, message: str) -> ErrorRow:
    """Returns the row of a refusal: by its text with any values in it, else by its status; ambiguous and VENUE_REJECTED
    if neither is known (502 and 504 prove nothing about the request)."""
    found = ERRORS.get(message)
    if found is not None:
        return found
    for text, row in ERRORS.items():
        head, _, tail = str(text).partition("{}")
        if "{}" in str(text) and message.startswith(head) and (head or message.endswith(tail)):
            return row
    return row_of(BY_STATUS, status)

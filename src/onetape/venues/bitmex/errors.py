"""Errors of BitMEX: outcome, our number, text. They have no codes: the text is what there is.

Sources: BitMEX documentation, "Errors" and "Overload"; the texts that public clients of the venue
match. The venue closed on 2026-09-23. Texts known from memory or third parties only are marked *.
"""

from __future__ import annotations

from typing import Final

from onetape.model.errors import (
    BadSignature,
    ClockSkew,
    DuplicateClientId,
    InsufficientFunds,
    OnetapeError,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderUnknown,
    PermissionDenied,
    PositionLimit,
    TradingStopped,
    UnknownSymbol,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.venues.outcome import ErrorRow, Outcome

__all__ = ["BY_STATUS", "ERRORS", "row_of_answer"]

D, A, R = Outcome.DEFINITIVE, Outcome.AMBIGUOUS, Outcome.SAFE

_ROWS: Final[tuple[tuple[Outcome, type[OnetapeError], str], ...]] = (
    (D, PermissionDenied, "Invalid API Key."),
    (D, PermissionDenied, "This key is disabled."),
    (D, PermissionDenied, "Authorization Required"),
    (D, PermissionDenied, "Access Denied"),
    (D, PermissionDenied, "Account is restricted"),
    (D, BadSignature, "Signature not valid."),
    (R, ClockSkew, "This request has expired - `expires` is in the past. Current time: {}"),
    (D, DuplicateClientId, "Duplicate clOrdID"),
    (D, OrderInvalid, "orderQty is invalid"),
    (D, OrderInvalid, "Invalid price"),
    (D, OrderInvalid, "Invalid price tickSize"),  # *
    (D, OrderInvalid, "Invalid stopPx for ordType"),
    (D, OrderInvalid, "Invalid stopPx tickSize"),  # *
    (D, OrderInvalid, "Invalid ordType"),
    (D, OrderInvalid, "Invalid side"),  # *
    (D, OrderInvalid, "Invalid timeInForce"),  # *
    (D, OrderInvalid, "Invalid execInst"),  # *
    (D, OrderInvalid, "Invalid leverage"),  # *
    (D, OrderInvalid, "Invalid count"),  # *
    (D, OrderInvalid, "Invalid binSize"),  # *
    (D, OrderInvalid, "Invalid filter"),  # *
    (D, OrderInvalid, "Invalid timestamp"),  # *
    (D, OrderInvalid, "Invalid body"),  # *
    (D, OrderInvalid, "clOrdID length exceeds 36"),  # *
    (D, OrderInvalid, "{} is a required arg."),  # *
    (D, OrderInvalid, "Must send orderID or clOrdID"),  # *
    (D, OrderInvalid, "Invalid amend: orderQty, leavesQty, price, pegOffsetValue, and stopPx are all unchanged"),  # *
    (D, OrderInvalid, "Trailing and other pegged orders are not simulated"),  # of the simulated venue
    (D, OrderInvalid, "Fractional leverage is not simulated"),  # of the simulated venue
    (D, UnknownSymbol, "Invalid symbol"),  # *
    (D, OrderUnknown, "Invalid orderID"),  # *
    (D, OrderUnknown, "Invalid origClOrdID"),  # *
    (D, OrderUnknown, "Invalid ordStatus"),
    (D, OrderUnknown, "Unable to cancel order due to existing state: {}"),
    (D, InsufficientFunds, "Account has insufficient Available Balance, {} {} required"),
    (D, PositionLimit, "Value of position and orders exceeds position Risk Limit"),
    (D, TradingStopped, "No liquidity to match a market order"),  # *
    (D, VenueRejected, "Order was refused"),  # of the simulated venue
    (D, VenueRejected, "Not Found"),
    (R, VenueRateLimit, "Rate limit exceeded, retry in {} seconds."),
    (R, VenueUnavailable, "The system is currently overloaded. Please try again later."),
    (R, VenueUnavailable, "Service unavailable"),
    (A, OrderOutcomeUnknown, "Server Error"),
)

ERRORS: Final[dict[int | str, ErrorRow]] = {
    text: ErrorRow(text, outcome, error, text) for outcome, error, text in _ROWS
}

# Where the text says nothing. 503 is said before a request is taken in: it was not executed.
BY_STATUS: Final[dict[int, ErrorRow]] = {
    400: ErrorRow(400, D, VenueRejected, ""),
    401: ErrorRow(401, D, PermissionDenied, ""),
    403: ErrorRow(403, D, PermissionDenied, ""),
    404: ErrorRow(404, D, VenueRejected, ""),
    429: ErrorRow(429, R, VenueRateLimit, ""),
    503: ErrorRow(503, R, VenueUnavailable, ""),
}


def row_of_answer(status: int, message: str) -> ErrorRow:
    """Returns what a refusal says: by its text with any values in it, else by its status; ambiguous and VENUE_REJECTED
    where neither is known (502 and 504 say nothing about the request)."""
    found = ERRORS.get(message)
    if found is not None:
        return found
    for text, row in ERRORS.items():
        head, _, tail = str(text).partition("{}")
        if "{}" in str(text) and message.startswith(head) and (head or message.endswith(tail)):
            return row
    return BY_STATUS.get(status) or ErrorRow(status, A, VenueRejected, "")

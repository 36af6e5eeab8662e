"""Errors of Pacifica: outcome, our number.

A business error has a number, with status 422; other answers repeat their HTTP status as the number
and are told apart by how their text begins. Sources: docs.pacifica.fi "Error codes", ccxt 4.5.90
(pacifica: names of the numbers, bodies of live answers), as of 2026-10. The classes are ours.
"""

from __future__ import annotations

from typing import Final

from onetape.model.errors import (
    BadSignature,
    ClockSkew,
    DuplicateClientId,
    InsufficientFunds,
    MarketDataUnavailable,
    OnetapeError,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderUnknown,
    OrderWouldTrigger,
    PermissionDenied,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    TradingStopped,
    UnknownSymbol,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.venues.outcome import ErrorRow, Outcome, row_of

__all__ = ["ERRORS", "GONE", "row_of_error"]

D, A, R = Outcome.DEFINITIVE, Outcome.AMBIGUOUS, Outcome.SAFE

_ROWS: Final[tuple[tuple[int, Outcome, type[OnetapeError], str], ...]] = (
    (0, A, OrderOutcomeUnknown, "UNKNOWN"),
    (1, D, PermissionDenied, "ACCOUNT_NOT_FOUND"),
    (3, D, UnknownSymbol, "BOOK_NOT_FOUND"),
    (4, D, OrderInvalid, "INVALID_TICK_LEVEL"),
    (5, D, InsufficientFunds, "INSUFFICIENT_BALANCE"),
    # A cancel that lost a race says so, too: the order may have been filled.
    (6, A, OrderUnknown, "ORDER_NOT_FOUND"),
    (7, D, OrderBelowMinNotional, "ORDER_AMOUNT_TOO_LOW"),
    (8, D, OrderInvalid, "ORDER_AMOUNT_TOO_HIGH"),
    (10, D, PositionLimit, "OPEN_ORDER_LIMIT_REACHED"),
    (11, D, OrderInvalid, "INVALID_LEVERAGE"),
    (13, D, ReduceOnlyViolated, "POSITION_NOT_FOUND"),
    (14, A, OrderOutcomeUnknown, "DATABASE_ERROR"),
    (16, D, OrderWouldTrigger, "INVALID_STOP_TICK"),
    (17, D, OrderInvalid, "INVALID_STOP_ORDER_SIDE"),
    (18, D, OrderInvalid, "INVALID_STOP_ORDER_AMOUNT"),
    (19, D, ReduceOnlyViolated, "INVALID_STOP_ORDER_REDUCE_ONLY"),
    (20, D, OrderInvalid, "INVALID_ORDER_TYPE"),
    (21, D, ReduceOnlyViolated, "INVALID_REDUCE_ONLY_ORDER_SIDE"),
    (22, D, ReduceOnlyViolated, "INVALID_REDUCE_ONLY_ORDER_AMOUNT"),
    (23, D, ReduceOnlyViolated, "NO_POSITION_FOR_REDUCE_ONLY_ORDER"),
    (25, D, MarketDataUnavailable, "NO_REASONABLE_PRICE"),
    (26, A, OrderOutcomeUnknown, "CHANNEL_CLOSED"),
    (27, A, OrderOutcomeUnknown, "RESPONSE_DROPPED"),
    (28, D, InsufficientFunds, "IMMEDIATE_LIQUIDATION"),
    (30, D, PriceBand, "PRICE_TOO_FAR_FROM_MARK"),
    (36, D, DuplicateClientId, "DUPLICATE_CLIENT_ORDER_ID"),
    (37, A, OrderUnknown, "UNUSED_CLIENT_ORDER_ID"),
    (38, D, TradingStopped, "TRADING_DISABLED"),
    (40, D, PermissionDenied, "NOT_MAIN_ACCOUNT"),
    (41, D, PositionLimit, "OPEN_INTEREST_LIMIT_EXCEEDED"),
    (49, D, PositionLimit, "POSITION_TPSL_LIMIT_EXCEEDED"),
    (51, D, OrderInvalid, "UNSUPPORTED_OPERATION"),
    (52, D, OrderInvalid, "INVALID_TICK_SIZE"),
    (59, D, OrderInvalid, "INVALID_AMOUNT"),
    (63, D, MarketDataUnavailable, "MISSING_MARK_PRICE"),
    # Repeated from HTTP, or of the WebSocket.
    (400, D, OrderInvalid, "Bad Request"),
    (401, D, BadSignature, "signature"),
    (402, D, PermissionDenied, "signer"),
    (403, D, PermissionDenied, "Forbidden"),
    (404, D, VenueRejected, "Not Found"),
    (409, D, VenueRejected, "Conflict"),
    (420, A, OrderOutcomeUnknown, "engine"),  # whose refusals are known by their texts
    (422, D, VenueRejected, "business"),
    (429, R, VenueRateLimit, "Too Many Requests"),
    (500, A, OrderOutcomeUnknown, "Internal server error"),
    (503, A, VenueUnavailable, "Service Unavailable"),
    (504, A, OrderOutcomeUnknown, "Gateway Timeout"),
)
# How texts begin that say more than their number.
_TEXTS: Final[tuple[tuple[str, Outcome, type[OnetapeError]], ...]] = (
    ("Verification failed", D, BadSignature),
    ("Agent not authorized", D, PermissionDenied),
    ("Beta access required", D, PermissionDenied),
    ("Order amount too low", D, OrderBelowMinNotional),
    ("Invalid message", D, ClockSkew),  # one that came too late
    # By WebSocket all of these have one number.
    ("Failed to cancel order", A, OrderUnknown),
    ("Order not found", A, OrderUnknown),
    ("Unused client order id", A, OrderUnknown),
    ("Duplicate client order id", D, DuplicateClientId),
    ("Insufficient balance", D, InsufficientFunds),
    ("Book not found", D, UnknownSymbol),
    ("Order amount too high", D, OrderInvalid),
    ("Invalid", D, OrderInvalid),  # of an order's own fields
    ("No position for reduce only", D, ReduceOnlyViolated),
    ("No reasonable price", D, MarketDataUnavailable),
    ("Open interest limit", D, PositionLimit),
    ("Open order limit", D, PositionLimit),
    ("Price too far", D, PriceBand),
    ("Trading disabled", D, TradingStopped),
)

ERRORS: Final[dict[int | str, ErrorRow]] = {
    **{code: ErrorRow(code, outcome, error, text) for code, outcome, error, text in _ROWS},
    **{text: ErrorRow(text, outcome, error, text) for text, outcome, error in _TEXTS},
}
GONE: Final = OrderUnknown  # of these the order is not there


def row_of_error(status: int, code: object, text: str) -> ErrorRow:
    """Returns the row of an error as it came; ambiguous for one that is not in the table."""
    for start, *_ in _TEXTS:
        if text.startswith(start):
            return ERRORS[start]
    return row_of(ERRORS, code if isinstance(code, int) else status)

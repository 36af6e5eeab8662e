"""Error texts of Kraken spot: outcome, our number.

Kraken has no codes: the text is the code, and what follows a second colon names the field. Answers
are HTTP 200 with `error` filled; over WebSocket the same text stands in `error`. Sources:
docs.kraken.com "API errors" and "Spot REST", as of 2026-11; python-kraken-sdk 3.5.1 (exceptions) and
ccxt 4.5.90 (kraken), as of 2026-11. The classes are ours. What no source has verbatim is marked *.
"""

from __future__ import annotations

from typing import Final

from onetape.model.errors import (
    BadSignature,
    ClockSkew,
    DuplicateClientId,
    InsufficientFunds,
    InvalidAmount,
    MarketDataUnavailable,
    OnetapeError,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    OrderUnknown,
    OrderWouldCross,
    PermissionDenied,
    PositionLimit,
    TradingStopped,
    UnknownCurrency,
    UnknownSymbol,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.venues.outcome import ErrorRow, Outcome, row_of

__all__ = ["ERRORS", "row_of_text"]

D, A, R = Outcome.DEFINITIVE, Outcome.AMBIGUOUS, Outcome.SAFE

_ROWS: Final[tuple[tuple[str, Outcome, type[OnetapeError]], ...]] = (
    ("EAPI:Invalid key", D, PermissionDenied),
    ("EAPI:Invalid signature", D, BadSignature),
    # The request was not looked at: it may go again with a nonce that is larger.
    ("EAPI:Invalid nonce", R, ClockSkew),
    ("EAPI:Rate limit exceeded", R, VenueRateLimit),
    ("EAPI:Feature disabled", D, PermissionDenied),
    ("EGeneral:Invalid arguments", D, OrderInvalid),
    ("EGeneral:Permission denied", D, PermissionDenied),
    ("EGeneral:Unknown method", D, VenueRejected),
    ("EGeneral:Internal error", A, OrderOutcomeUnknown),
    # Minutes long, after several wrong keys.
    ("EGeneral:Temporary lockout", R, VenueRateLimit),
    ("EGeneral:Too many requests", R, VenueRateLimit),
    ("ESession:Invalid session", D, PermissionDenied),
    ("EQuery:Unknown asset pair", D, UnknownSymbol),
    ("EQuery:Invalid asset pair", D, UnknownSymbol),
    ("EQuery:Unknown asset", D, UnknownCurrency),
    ("EOrder:Insufficient funds", D, InsufficientFunds),
    ("EFunding:Insufficient funds", D, InsufficientFunds),  # *
    ("EFunding:Invalid amount", D, InvalidAmount),  # *
    ("EFunding:Unknown asset", D, UnknownCurrency),  # *
    ("EFunding:Unknown withdraw key", D, VenueRejected),
    ("EFunding:Invalid withdrawal address", D, VenueRejected),  # *
    ("EFunding:Max fee exceeded", D, VenueRejected),
    ("EOrder:Insufficient margin", D, InsufficientFunds),
    ("EOrder:Margin level too low", D, InsufficientFunds),
    ("EOrder:Margin allowance exceeded", D, PositionLimit),
    ("EOrder:Margin position size exceeded", D, PositionLimit),
    ("EOrder:Invalid price", D, OrderInvalid),
    ("EOrder:Order minimum not met", D, OrderBelowMinNotional),
    ("EOrder:Cost minimum not met", D, OrderBelowMinNotional),
    ("EOrder:Tick size check failed", D, OrderInvalid),
    ("EOrder:Post only order", D, OrderWouldCross),
    # A cancel that lost a race says so, too: the order may have been filled.
    ("EOrder:Unknown order", A, OrderUnknown),
    ("EOrder:Duplicate client order id", D, DuplicateClientId),  # *
    ("EOrder:Unknown trade", D, VenueRejected),  # *
    ("EOrder:Rate limit exceeded", R, OrderRate),
    ("EOrder:Orders limit exceeded", D, PositionLimit),
    ("EOrder:Positions limit exceeded", D, PositionLimit),
    ("EOrder:Trading agreement required", D, PermissionDenied),
    ("EService:Unavailable", A, VenueUnavailable),
    ("EService:Busy", A, VenueUnavailable),
    ("EService:Timeout", A, OrderOutcomeUnknown),
    ("EService: Timeout", A, OrderOutcomeUnknown),
    ("EService:Market in cancel_only mode", D, TradingStopped),
    ("EService:Market in post_only mode", D, TradingStopped),
    ("EService:Market in limit_only mode", D, TradingStopped),
    # The engine did not match it, and never will.
    ("EService:Deadline elapsed", D, OrderInvalid),
    ("EDatabase:Internal error", A, OrderOutcomeUnknown),
    ("ETrade:User Locked", D, PermissionDenied),
    ("EOrder:No price", D, MarketDataUnavailable),  # *
)

ERRORS: Final[dict[int | str, ErrorRow]] = {
    text: ErrorRow(text, outcome, error, text) for text, outcome, error in _ROWS
}


def row_of_text(text: str) -> ErrorRow:
    """Returns the row of an error as it came, `EGeneral:Invalid arguments:volume` among them; ambiguous for one that is
    not in the table. A warning (`W...`) is none of these."""
    if text in ERRORS:
        return ERRORS[text]
    group, _, rest = text.partition(":")
    return row_of(ERRORS, f"{group}:{rest.partition(':')[0]}")

"""Classes of errors of ccxt: outcome, our number.

ccxt maps codes of venues to these classes; what it does not know is a plain ExchangeError. Source:
ccxt 4.5.90, `base/errors.py`, read 2026-11. The outcomes are ours, for a request that changes
something: where a venue's code may mean both, it is ambiguous, which costs a question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from onetape.model.errors import (
    ClockSkew,
    DuplicateClientId,
    InsufficientFunds,
    NotAvailable,
    OnetapeError,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderUnknown,
    OrderWouldCross,
    PermissionDenied,
    TradingStopped,
    UnknownSymbol,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.venues.binance.errors import ERRORS as BINANCE_ERRORS
from onetape.venues.kraken.errors import ERRORS as KRAKEN_ERRORS
from onetape.venues.kraken.errors import row_of_text
from onetape.venues.outcome import ErrorRow, Outcome

__all__ = ["ERRORS", "LATE", "UNSENT", "UNWANTED", "row_of_error", "row_of_names"]

D, A, R, S = Outcome.DEFINITIVE, Outcome.AMBIGUOUS, Outcome.SAFE, Outcome.SETTLED
# The bridge's own: given up before it was signed; no connection, so that nothing has left.
LATE: Final = "Late"
UNSENT: Final = "Unsent"
UNWANTED: Final = "Unwanted"  # it would have given away what is the account's, and did not leave

_ROWS: Final[tuple[tuple[str, Outcome, type[OnetapeError]], ...]] = (
    (LATE, R, VenueRateLimit),
    (UNSENT, R, VenueUnavailable),
    (UNWANTED, D, PermissionDenied),
    ("BaseError", A, VenueRejected),
    ("ExchangeError", A, VenueRejected),  # a code that ccxt does not know, too
    ("AuthenticationError", D, PermissionDenied),
    ("PermissionDenied", D, PermissionDenied),
    ("AccountNotEnabled", D, PermissionDenied),
    ("AccountSuspended", D, PermissionDenied),
    ("ArgumentsRequired", D, OrderInvalid),
    ("BadRequest", D, OrderInvalid),
    ("BadSymbol", D, UnknownSymbol),
    ("OperationRejected", D, VenueRejected),
    ("NoChange", S, VenueRejected),
    ("MarginModeAlreadySet", S, VenueRejected),
    ("MarketClosed", D, TradingStopped),
    ("ManualInteractionNeeded", D, PermissionDenied),
    ("RestrictedLocation", D, PermissionDenied),
    ("InsufficientFunds", D, InsufficientFunds),
    ("InvalidAddress", D, VenueRejected),
    ("AddressPending", D, VenueRejected),
    ("InvalidOrder", D, OrderInvalid),
    ("OrderNotFound", D, OrderUnknown),
    ("OrderNotCached", A, OrderUnknown),
    ("OrderImmediatelyFillable", D, OrderWouldCross),
    ("OrderNotFillable", D, OrderInvalid),
    # An earlier try has arrived: ours never repeat.
    ("DuplicateOrderId", S, DuplicateClientId),
    ("ContractUnavailable", D, UnknownSymbol),
    ("NotSupported", D, NotAvailable),
    ("InvalidProxySettings", D, VenueUnavailable),
    ("ExchangeClosedByUser", A, VenueUnavailable),
    ("OperationFailed", A, OrderOutcomeUnknown),
    ("NetworkError", A, VenueUnavailable),
    # Some venues' codes for "try again later" are among these, done or not.
    ("DDoSProtection", A, VenueRateLimit),
    ("RateLimitExceeded", R, VenueRateLimit),
    ("ExchangeNotAvailable", A, VenueUnavailable),
    ("OnMaintenance", A, VenueUnavailable),
    # Nonces and times: the request was not looked at, and goes again with others.
    ("InvalidNonce", R, ClockSkew),
    ("ChecksumError", A, VenueRejected),
    ("RequestTimeout", A, OrderOutcomeUnknown),
    ("BadResponse", A, OrderOutcomeUnknown),
    ("NullResponse", A, OrderOutcomeUnknown),
    ("CancelPending", A, OrderOutcomeUnknown),
    ("UnsubscribeError", A, VenueRejected),
)

ERRORS: Final[dict[str, ErrorRow]] = {name: ErrorRow(name, outcome, error, "") for name, outcome, error in _ROWS}


def row_of_names(names: Sequence[str]) -> ErrorRow:
    """Of an error's class and those above it, nearest first: the first that is in the table.
    Ambiguous for one that is none of ccxt's: it may have come after the request left."""
    for name in names:
        if name in ERRORS:
            return ERRORS[name]
    return ErrorRow(names[0] if names else "", A, VenueRejected, "")


def row_of_error(names: Sequence[str], text: str, codes: str) -> ErrorRow:
    """As `row_of_names`; what ccxt has no class for is looked up by the venue's own code where we
    have its table. codes: `binance`, `kraken` or ""."""
    row = row_of_names(names)
    if row.code != "ExchangeError":
        return row
    if codes == "binance" and (found := _BINANCE_CODE.search(text)):
        return BINANCE_ERRORS.get(int(found[1]), row)
    if codes == "kraken" and (said := _KRAKEN_TEXT.search(text)):
        listed = row_of_text(said[1])
        return listed if listed.code in KRAKEN_ERRORS else row
    return row


_BINANCE_CODE: Final = re.compile(r'"code":\s*(-\d+)')
_KRAKEN_TEXT: Final = re.compile(r'"(E[A-Za-z]+:[^"]+)"')

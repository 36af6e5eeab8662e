"""Classes of errors of ccxt: outcome, our number.

ccxt maps venues' codes to these classes; unknown codes become a plain ExchangeError. Source: ccxt 4.5.90,
`base/errors.py`, read 2026-11. The outcomes are our judgment for requests that change something: a class that may mean
executed or not is ambiguous, which costs a query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from onetape.venues.binance.errors import ERRORS as BINANCE_ERRORS
from onetape.venues.error_tables import ErrorRow, error_table, row_of
from onetape.venues.kraken.errors import ERRORS as KRAKEN_ERRORS
from onetape.venues.kraken.errors import row_of_text

__all__ = ["ERRORS", "LATE", "UNSENT", "UNWANTED", "row_of_error", "row_of_names"]

# The bridge's own classes. LATE: given up before signing. UNSENT: no connection. The request was not sent.
LATE: Final = "Late"
UNSENT: Final = "Unsent"
UNWANTED: Final = "Unwanted"  # would have paid others from the account, and was not sent

# ExchangeError also stands for codes unknown to ccxt. DuplicateOrderId: an earlier attempt has arrived, because we
# never use an id twice. DDoSProtection, ExchangeNotAvailable and OnMaintenance are "try again later" at some venues,
# whether the request was executed or not. InvalidNonce: the request was not executed, and is sent again with another
# nonce and time.
ERRORS: Final[dict[int | str, ErrorRow]] = error_table(f"""
safe VENUE_RATE_LIMIT: {LATE} | RateLimitExceeded
safe VENUE_UNAVAILABLE: {UNSENT}
definitive PERMISSION_DENIED: {UNWANTED} | AuthenticationError | PermissionDenied | AccountNotEnabled
    AccountSuspended | ManualInteractionNeeded | RestrictedLocation
ambiguous VENUE_REJECTED: BaseError | ExchangeError | ChecksumError | UnsubscribeError
definitive ORDER_INVALID: ArgumentsRequired | BadRequest | InvalidOrder | OrderNotFillable
definitive UNKNOWN_SYMBOL: BadSymbol | ContractUnavailable
definitive VENUE_REJECTED: OperationRejected | InvalidAddress | AddressPending
settled VENUE_REJECTED: NoChange | MarginModeAlreadySet
definitive TRADING_STOPPED: MarketClosed
definitive INSUFFICIENT_FUNDS: InsufficientFunds
definitive ORDER_UNKNOWN: OrderNotFound
ambiguous ORDER_UNKNOWN: OrderNotCached
definitive ORDER_WOULD_CROSS: OrderImmediatelyFillable
settled DUPLICATE_CLIENT_ID: DuplicateOrderId
definitive NOT_AVAILABLE: NotSupported
definitive VENUE_UNAVAILABLE: InvalidProxySettings
ambiguous VENUE_UNAVAILABLE: ExchangeClosedByUser | NetworkError | ExchangeNotAvailable | OnMaintenance
ambiguous ORDER_OUTCOME_UNKNOWN: OperationFailed | RequestTimeout | BadResponse | NullResponse | CancelPending
ambiguous VENUE_RATE_LIMIT: DDoSProtection
safe CLOCK_SKEW: InvalidNonce
""")


def row_of_names(names: Sequence[str]) -> ErrorRow:
    """Returns the row of an error's class or of the nearest base class in the table. Ambiguous for a class that is not
    ccxt's, which may have been raised after the request was sent."""
    for name in names:
        if name in ERRORS:
            return ERRORS[name]
    return row_of(ERRORS, names[0] if names else "")


def row_of_error(names: Sequence[str], text: str, codes: str) -> ErrorRow:
    """Returns the row as `row_of_names` does; an error without a class in ccxt is looked up by the venue's own code in
    the table `codes`: `binance`, `kraken`, or "" for none."""
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

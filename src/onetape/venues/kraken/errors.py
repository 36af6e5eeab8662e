"""Error texts of Kraken spot: outcome, our number.

Kraken has no codes: the text is the code, and the part after a second colon names the field. Answers are HTTP 200 with
`error` filled; over WebSocket the same text is in `error`. Sources: docs.kraken.com "API errors" and "Spot REST", as of
2026-11; python-kraken-sdk 3.5.1 (exceptions) and ccxt 4.5.90 (kraken), as of 2026-11. The classes are ours. Texts that
no source has verbatim are marked *.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.error_tables import ErrorRow, error_table, row_of

__all__ = ["ERRORS", "row_of_text"]

# A request with an invalid nonce was not executed: it may be sent again with a larger one. A lockout follows several
# wrong keys and lasts minutes. A cancel that lost a race also gets "Unknown order": the order may have been filled. An
# order that arrived after its deadline is never matched.
ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
definitive PERMISSION_DENIED: EAPI:Invalid key | EAPI:Feature disabled | EGeneral:Permission denied
    ESession:Invalid session | EOrder:Trading agreement required | ETrade:User Locked
definitive BAD_SIGNATURE: EAPI:Invalid signature
safe CLOCK_SKEW: EAPI:Invalid nonce
safe VENUE_RATE_LIMIT: EAPI:Rate limit exceeded | EGeneral:Temporary lockout | EGeneral:Too many requests
definitive ORDER_INVALID: EGeneral:Invalid arguments | EOrder:Invalid price | EOrder:Tick size check failed
    EService:Deadline elapsed
definitive VENUE_REJECTED: EGeneral:Unknown method | EFunding:Unknown withdraw key
    EFunding:Invalid withdrawal address * | EFunding:Max fee exceeded | EOrder:Unknown trade *
ambiguous ORDER_OUTCOME_UNKNOWN: EGeneral:Internal error | EService:Timeout | EService: Timeout
    EDatabase:Internal error
definitive UNKNOWN_SYMBOL: EQuery:Unknown asset pair | EQuery:Invalid asset pair
definitive UNKNOWN_CURRENCY: EQuery:Unknown asset | EFunding:Unknown asset *
definitive INSUFFICIENT_FUNDS: EOrder:Insufficient funds | EFunding:Insufficient funds * | EOrder:Insufficient margin
    EOrder:Margin level too low
definitive INVALID_AMOUNT: EFunding:Invalid amount *
definitive POSITION_LIMIT: EOrder:Margin allowance exceeded | EOrder:Margin position size exceeded
    EOrder:Orders limit exceeded | EOrder:Positions limit exceeded
definitive ORDER_BELOW_MIN_NOTIONAL: EOrder:Order minimum not met | EOrder:Cost minimum not met
definitive ORDER_WOULD_CROSS: EOrder:Post only order
ambiguous ORDER_UNKNOWN: EOrder:Unknown order
definitive DUPLICATE_CLIENT_ID: EOrder:Duplicate client order id *
safe ORDER_RATE: EOrder:Rate limit exceeded
ambiguous VENUE_UNAVAILABLE: EService:Unavailable | EService:Busy
definitive TRADING_STOPPED: EService:Market in cancel_only mode | EService:Market in post_only mode
    EService:Market in limit_only mode
definitive MARKET_DATA_UNAVAILABLE: EOrder:No price *
""")


def row_of_text(text: str) -> ErrorRow:
    """Returns the row of an error text as received, also of one with a field such as `EGeneral:Invalid
    arguments:volume`; an ambiguous row if the table does not have it. A warning (`W...`) is no error."""
    if text in ERRORS:
        return ERRORS[text]
    group, _, rest = text.partition(":")
    return row_of(ERRORS, f"{group}:{rest.partition(':')[0]}")

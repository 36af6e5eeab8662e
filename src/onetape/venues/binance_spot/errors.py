"""Errors of Binance spot: outcome, our number, text; those of USD-M futures hold where nothing else is said here.

A refusal by the matching engine has the code -2010, -2011 or -2038 and a text that says why, one by a filter -1013 and
the filter's name. An HTTP status 5xx and -1007 leave the outcome unknown. -2013 can follow directly after an
acknowledgement. Sources: "Error codes" and "General API Information" of the spot documentation, as of 2026-07.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.binance.errors import ERRORS as USDM_ERRORS
from onetape.venues.error_tables import ErrorRow, error_table

__all__ = ["ERRORS", "FILTER"]

FILTER: Final = "Filter failure: "

# -2021 and -2022 are about a cancel and an order in one request; -2039: the two given ids are of different orders.
ERRORS: Final[dict[int | str, ErrorRow]] = USDM_ERRORS | error_table("""
settled DUPLICATE_CLIENT_ID: Duplicate order sent.
definitive INSUFFICIENT_FUNDS: Account has insufficient balance for requested action.
definitive ORDER_WOULD_CROSS: Order would immediately match and take.
definitive ORDER_WOULD_TRIGGER: Order would trigger immediately. | Stop price would trigger immediately.
definitive TRADING_STOPPED: Market is closed. | -2016 No trading window could be found for the symbol. Try ticker/24hr instead.
definitive PERMISSION_DENIED: This action is disabled on this account. | This account may not place or cancel orders.
    This symbol is not permitted for this account. | This symbol is restricted for this account.
    Rest API trading is not enabled. | WebSocket API trading is not enabled.
definitive ORDER_UNKNOWN: Unknown order sent. | Cancel order is invalid. Check origClOrdId and orderId.
    Order was not canceled due to cancel restrictions.
definitive ORDER_BELOW_MIN_NOTIONAL: Filter failure: NOTIONAL | Filter failure: MIN_NOTIONAL
definitive PRICE_BAND: Filter failure: PERCENT_PRICE
definitive POSITION_LIMIT: Filter failure: MAX_ | Filter failure: EXCHANGE_MAX_
definitive ORDER_INVALID: Filter failure:
    Price * QTY is zero or less. | IcebergQty exceeds QTY. | QTY is over the maximum QTY.
    Order amend (quantity increase) is not supported. | Order amend is not supported for this symbol.
    The requested action would change no state; rejecting
    -1128 Combination of optional parameters invalid.
    -1131 recvWindow must be less than 60000 | -1135 Invalid JSON
    -1145 Invalid cancelRestrictions. | -1151 Symbol is present multiple times in the list.
    -1152 Invalid X-MBX-TIME-UNIT. Expected either MICROSECOND or MILLISECOND.
    -1194 Invalid value for time unit; expected either MICROSECOND or MILLISECOND.
    -1108 Invalid asset.
safe VENUE_RATE_LIMIT: -1034 Too many concurrent connections; current limit is {} connections per {} minutes.
definitive VENUE_REJECTED: -1033 Market orders are not supported on this symbol. *
    -1099 Not found, unauthenticated, or unauthorized. | -1158 OCO limit orders rejected. *
    -2022 Order cancel-replace failed. | -2035 User Data Stream subscription already active
    -2036 User Data Stream subscription not active. | -2038 Order amend rejected. | -2039 Client order ID is not correct for this order ID
    -2042 Maximum subscription ID reached for this connection. | -2043 This symbol doesn't have a reference price.
ambiguous ORDER_OUTCOME_UNKNOWN: -2021 Order cancel-replace partially failed.
ambiguous ORDER_UNKNOWN: -2026 Order was canceled or expired with no executed qty over 90 days ago and has been archived.
""")

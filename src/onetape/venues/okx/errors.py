"""Errors of OKX v5: outcome, our number.

An error of a request has its number in `code`, one of an order in `sCode`, by REST and by WebSocket. Source: OKX API v5
documentation, "Error Code", as of 2026-07, and its change log until 2026-10. The classes are ours.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.error_tables import ErrorRow, error_table

__all__ = ["ERRORS", "GONE"]

ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
ambiguous ORDER_OUTCOME_UNKNOWN: 50004 API endpoint request timeout | 50026 System error. Try again later
    51054 Request timed out. Please try again | 51149 Order timed out. Please try again later
    51412 Cancellation timed out | 1 Operation failed | 2 Operation partly succeeded
ambiguous ORDER_UNKNOWN: 51400 Cancellation failed as the order has been filled, canceled or does not exist
    51401 Cancellation failed as the order is already canceled
    51402 Cancellation failed as the order is already completed
    51405 Cancellation failed as you do not have any pending orders
    51410 Cancellation failed as the order is already in canceling status
    51416 Order has been triggered and cannot be canceled
    51503 Order modification failed as the order has been filled, canceled or does not exist
    51509 Modification failed as the order has been canceled
    51510 Modification failed as the order has been completed
definitive ORDER_UNKNOWN: 51603 Order does not exist
safe CLOCK_SKEW: 50102 Timestamp request expired | 60006 Timestamp request expired
    50036 The expTime can't be earlier than the current system time | 50037 Order expired
safe VENUE_RATE_LIMIT: 50011 Rate limit reached. Please refer to API documentation and throttle requests accordingly
    50061 Order rate limit reached | 50040 Too frequent operations, please try again later
    60014 Requests too frequent
safe VENUE_UNAVAILABLE: 50001 Service temporarily unavailable. Try again later
    50013 Systems are busy. Please try again later | 51290 The order placement service is being upgraded
safe ORDER_RATE: 51513 Number of modification requests currently in progress for an order exceeds the limit
    54047 The order is in a speed bump | 54048 The order is in a speed bump
definitive PERMISSION_DENIED: 50005 API is offline or unavailable | 50100 API frozen, please contact customer service
    50101 APIKey does not match current environment | 50103 Request header "OK-ACCESS-KEY" can't be empty
    50104 Request header "OK-ACCESS-PASSPHRASE" can't be empty | 50105 Request header "OK-ACCESS-PASSPHRASE" incorrect
    50106 Request header "OK-ACCESS-SIGN" can't be empty | 50107 Request header "OK-ACCESS-TIMESTAMP" can't be empty
    50110 Your IP {} is not included in your API key's IP whitelist | 50111 Invalid OK-ACCESS-KEY
    50114 Invalid authority | 50119 API key doesn't exist
    50120 This API key doesn't have permission to use this function | 60005 Invalid apiKey | 60009 Login failed
    60011 Please log in | 60024 Wrong passphrase | 60032 API key doesn't exist | 54094 cooling-off period
    59113 identity verification required
definitive BAD_SIGNATURE: 50113 Invalid Sign | 50112 Invalid OK-ACCESS-TIMESTAMP | 60004 Invalid timestamp
    60007 Invalid sign
definitive ORDER_INVALID: 50000 Body for POST request cannot be empty | 50002 JSON syntax error
    50014 Parameter {} cannot be empty | 50015 Either parameter {} or {} is required | 51000 Parameter {} error
    51001 Instrument ID does not exist | 51005 Your order amount exceeds the max order amount
    51088 You can only place 1 TP/SL order to close an entire position
    51103 The number of pending orders of the instrument family exceeds the limit
    51120 Order quantity is less than {} | 51121 Order quantity must be a multiple of the lot size
    51532 Modification failed
definitive ORDER_WOULD_TRIGGER: 51277 TP trigger price cannot be higher than the last price
    51278 SL trigger price cannot be lower than the last price
    51279 TP trigger price cannot be lower than the last price
    51280 SL trigger price cannot be higher than the last price
    51300 TP trigger price cannot be higher than the mark price
    51302 SL trigger price cannot be lower than the mark price
    51303 TP trigger price cannot be lower than the mark price
    51304 SL trigger price cannot be higher than the mark price
definitive PRICE_BAND: 51006 Order price is not within the price limit | 51116 Order price or trigger price exceeds {}
    51137 The highest price limit for buy orders is {} | 51138 The lowest price limit for sell orders is {}
definitive INSUFFICIENT_FUNDS: 51008 Order failed. Insufficient {} margin in account | 51127 Available balance is 0
    51131 Insufficient balance | 58350 Insufficient balance | 51502 Order modification failed for insufficient margin
definitive POSITION_LIMIT: 51004 Order failed. The position limit is reached
    51101 Entered amount exceeds the max pending order amount | 51102 Entered amount exceeds the max pending count
    51104 The number of pending orders exceeds the limit | 51105 The maximum position is reached
    51106 The maximum position is reached | 51108 Positions exceed the limit for closing out
    51299 Order failed. The number of algo orders exceeds the limit | 54030 The platform position limit is reached
    54031 The platform position limit is reached
definitive REDUCE_ONLY_VIOLATED: 51169 Order failed because you don't have any positions in this direction to reduce
    51170 Failed to place a reduce-only order | 51205 Reduce Only is not available
    51328 Reduce-only order would be closed first | 51327 closeFraction is only available for futures and swaps
definitive TRADING_STOPPED: 51024 Unified accountblocked | 51027 Contract expired | 51028 Contract under delivery
    51029 Contract is being settled | 51030 Funding fee is being settled
    51124 You can only place limit orders during call auction
definitive DUPLICATE_CLIENT_ID: 51016 Client order ID already exists | 51065 algoClOrdId already exists
definitive ORDER_BELOW_MIN_NOTIONAL: 51020 Your order should meet or exceed the minimum order amount
definitive ORDER_WOULD_CROSS: 51511 Order modification failed. The post-only order would take
definitive ACCOUNT_MODE: 51010 Request unsupported under current account mode | 50072 Isolated margin is not available
    59000 Setting failed. Cancel any open orders and close positions first
definitive NOT_AVAILABLE: 50038 This feature is unavailable in demo trading
definitive VENUE_REJECTED: 51512 Order modification failed | 54035 order refused | 54109 The currency is not activated
    54041 RPI order refused | 54051 RPI order refused | 59102 Leverage exceeds the maximum limit
    59110 The instrument does not support this margin mode
""")
# Numbers that answer a cancel, an amendment or a query with the order's absence.
GONE: Final = frozenset({51400, 51401, 51402, 51405, 51410, 51416, 51503, 51509, 51510, 51603})

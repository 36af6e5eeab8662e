"""Errors of Bybit v5: outcome, our number.

A business error has HTTP status 200 and a number in `retCode`, by REST and by WebSocket. Source: Bybit API
documentation v5, "Error Codes" and "Rate Limit", as of 2026-07; ccxt 4.5.90 and pybit 5.17.0 (which numbers they
retry), as of 2026-10. The classes are ours.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.error_tables import ErrorRow, error_table

__all__ = ["ERRORS", "GONE"]

# A number of `GONE` answers a cancel or an amendment that lost a race: the order may have been filled.
ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
ambiguous ORDER_OUTCOME_UNKNOWN: 10000 Server Timeout | 10016 Internal Server Error | 170007 Timeout waiting for response
    170032 Network error | 170146 Order creation timeout | 170147 Order cancellation timeout
    131200 Service error | 131201 Internal error | 131206 Fail to transfer | 131214 TransferId exist
ambiguous ORDER_UNKNOWN: 110001 order not exists or too late to replace or cancel | 110008 Order has been finished
    110010 Order has been cancelled | 170142 order has been cancelled | 170213 Order does not exist
safe CLOCK_SKEW: 10002 invalid request, please check your server timestamp or recv_window param
safe VENUE_RATE_LIMIT: 10006 Too many visits | 10018 exceeded the IP Rate Limit | 10429 System level frequency protection
    10403 Exceed IP rate limit | 10019 ws trade service is restarting
safe ORDER_RATE: 110079 The order is processing and can not be operated
settled VENUE_REJECTED: 34040 not modified | 110025 Position mode has not been modified
    110026 Margin mode has not been modified | 110043 leverage not modified | 30084 Isolated not modified
definitive PERMISSION_DENIED: 10003 API key is invalid | 10005 Permission denied | 10007 User authentication failed
    10010 Unmatched IP | 33004 Your api key has expired | 10009 IP has been banned | 10024 Compliance rules triggered
    131208 Forbid transfer | 131217 Risk check error | 131231 Transfers into this account are not supported
    131232 Transfers out this account are not supported | 110125 agreement is not signed | 110132 not available in your region
definitive BAD_SIGNATURE: 10004 error sign, please check your signature generation algorithm
definitive ORDER_INVALID: 10001 Request parameter error | 110019 Invalid orderId | 110009 The number of stop orders
    110013 Cannot set leverage | 110015 risk limit
    131203 Request parameter error | 131210 Amount accuracy error | 131215 Amount error
    110092 expect Rising, but trigger price is not | 110093 expect Falling, but trigger price is not
    170134 Order price has too many decimals | 170137 Order volume decimal too long
definitive PRICE_BAND: 110003 Order price exceeds the allowable range | 170132 Order price is too high
    170133 Order price is too low | 170193 Buy order price is too high | 170194 Sell order price is too low
definitive INSUFFICIENT_FUNDS: 110004 Wallet balance is insufficient | 110006 The assets are not sufficient
    110007 Available balance is insufficient | 110012 Insufficient available balance
    110052 Your available balance is insufficient | 170131 Balance insufficient | 131212 Insufficient balance
definitive POSITION_LIMIT: 110020 Not allowed to have more than 500 active orders
    110021 Not allowed to exceeded position limits due to Open Interest | 110061 too many stop orders of a position
definitive REDUCE_ONLY_VIOLATED: 110017 orderQty will be truncated to zero
definitive TRADING_STOPPED: 110023 Currently you can only reduce positions on this contract | 110124 cooling-off period
definitive DUPLICATE_CLIENT_ID: 110072 OrderLinkedID is duplicate | 170141 Duplicate clientOrderId
definitive ORDER_BELOW_MIN_NOTIONAL: 110094 Order notional value below the lower limit
    170136 Order quantity below the lower limit | 170140 Order value exceeded lower limit
definitive VENUE_REJECTED: 110024 You have an existing position, so the position mode cannot be switched
    110028 You have existing open orders, so the position mode cannot be switched | 110119 RPI is for approved makers
    20001 Repeat auth | 20006 Duplicate reqId | 10404 op type is not found
""")
GONE: Final = frozenset({110001, 110008, 110010, 170142, 170213})

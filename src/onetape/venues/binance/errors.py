"""Error codes of Binance USD-M futures: outcome, our number, text.

Sources: "Error Codes" and "General Info" of the USD-M documentation and its change log, read 2026-11; -4120 since
2025-12-09; -4059, -4046 and -4171 mean that a setting is already as requested; the texts as in the venue's answers.
Facts from third parties only are marked *.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.venues.error_tables import ErrorRow, Outcome, error_table

__all__ = ["ERRORS", "TEXT_503", "is_error", "text_of"]

# -2011: the cancel did nothing; the order's state is not reported. -2013 proves nothing for conditional orders and in
# the first seconds after a submit. -4026, -5000, -5002 and -5013 come from the wallet service. Aster's own are -4225
# (the nonce was used, perhaps by this very request), -5050 (by its name: the text is unknown), -5060 and -5076 (as ccxt
# reads them), and for transfers -4114 and -4115 (a transfer with this id was carried out in the last seven days, and
# the history shows it).
ERRORS: Final[dict[int | str, ErrorRow]] = error_table("""
ambiguous ORDER_OUTCOME_UNKNOWN: -1000 An unknown error occurred while processing the request.
    -1001 Internal error; unable to process your request. Please try again.
    -1006 An unexpected response was received from the message bus. Execution status unknown.
    -1007 Timeout waiting for response from backend server. Send status unknown; execution status unknown.
    -4115 clientTranId is duplicated.
definitive PERMISSION_DENIED: -1002 You are not authorized to execute this request. | -1109 Invalid account.
    -2015 Invalid API-key, IP, or permissions for action. | -2017 API Keys are locked on this account.
    -5050 Deposit required. *
safe VENUE_RATE_LIMIT: -1003 Too many requests; current limit of IP({}) is {} requests per minute. Please use the websocket for live updates to avoid polling the API.
safe VENUE_UNAVAILABLE: -1008 Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.
    -1016 This service is no longer available.
definitive VENUE_REJECTED: -1010 ERROR_MSG_RECEIVED. | -2010 Order was rejected. | -2020 Unable to fill.
    -4120 Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.
    -4114 clientTranId is not valid. | -5000 Path {}, Method {} is invalid | -5041 No depth matches this BBO order
definitive ORDER_INVALID: -1013 Invalid message. | -1014 Unsupported order combination.
    -1020 This operation is not supported. | -1100 Illegal characters found in parameter '{}'; legal range is '{}'.
    -1101 Too many parameters sent for this endpoint.
    -1102 Mandatory parameter '{}' was not sent, was empty/null, or malformed. | -1103 An unknown parameter was sent.
    -1104 Not all sent parameters were read. | -1105 Parameter '{}' was empty.
    -1106 Parameter '{}' sent when not required. | -1108 Invalid asset.
    -1111 Precision is over the maximum defined for this asset. | -1114 TimeInForce parameter sent when not required.
    -1115 Invalid timeInForce. | -1116 Invalid orderType. | -1117 Invalid side.
    -1118 New client order ID was empty. | -1119 Original client order ID was empty. | -1120 Invalid interval.
    -1127 Lookup interval is too big. | -1128 Combination of optional parameters invalid.
    -1130 Data sent for parameter '{}' is not valid. | -1136 Invalid newOrderRespType.
    -2026 This OrderType is not supported when reduceOnly. | -4001 Price less than 0.
    -4002 Price greater than max price. | -4003 Quantity less than zero. | -4004 Quantity less than min quantity.
    -4005 Quantity greater than max quantity. | -4013 Price less than min price.
    -4014 Price not increased by tick size. | -4015 Client order id length should be less than 36 chars
    -4023 Quantity not increased by step size. | -4028 Leverage {} is not valid
    -4029 Tick size precision is invalid. | -4030 Step size precision is invalid. | -4055 Amount must be positive.
    -4060 Invalid position side. | -4062 Invalid or improper reduceOnly value.
    -4129 Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available. *
    -4130 An open stop or take profit order with GTE and closePosition in the direction is existing. *
    -4137 Quantity must be zero with closePosition equals true.
    -4138 Reduce only must be true with closePosition equals true. | -4165 Maximum time interval is {} days
    -5021 Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history.
    -5025 Only limit order is supported. | -5026 Exceed maximum modify order limit. | -5037 Invalid price match
    -5038 Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT
    -5039 Invalid self trade prevention mode
    -5040 The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than 253402300799000
safe ORDER_RATE: -1015 Too many new orders; current limit is {} orders per {}.
safe CLOCK_SKEW: -1021 Timestamp for this request is outside of the recvWindow.
    -5028 Timestamp for this request is outside of the ME recvWindow.
definitive BAD_SIGNATURE: -1022 Signature for this request is not valid. | -2014 API-key format invalid.
    -4056 Invalid api key type. | -4057 Invalid api public key
definitive UNKNOWN_SYMBOL: -1121 Invalid symbol. | -1122 Invalid symbol status.
safe PERMISSION_DENIED: -1125 This listenKey does not exist.
definitive ORDER_UNKNOWN: -2011 Unknown order sent.
ambiguous ORDER_UNKNOWN: -2013 Order does not exist.
definitive INSUFFICIENT_FUNDS: -2018 Balance is insufficient. | -2019 Margin is insufficient.
    -2028 Leverage is smaller than permitted: insufficient margin balance.
    -4026 The user has insufficient balance available * | -4050 Cross balance insufficient.
    -4051 Isolated balance insufficient. | -5002 You have insufficient balance.
    -5013 Asset transfer failed: insufficient balance.
definitive ORDER_WOULD_TRIGGER: -2021 Order would immediately trigger.
    -4142 REJECT: take profit or stop order will be triggered immediately.
definitive REDUCE_ONLY_VIOLATED: -2022 ReduceOnly Order is rejected. | -2024 Position is not sufficient.
    -4118 ReduceOnly Order Failed. Please check your existing position and open orders.
definitive HALTED_ACCOUNT: -2023 User in liquidation mode now. | -4087 User can only place reduce only order.
    -4088 User can not place order currently. | -4109 This account is inactive.
    -4192 Trade forbidden due to Cooling-off Period.
    -4400 Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please try again later.
    -4401 Compliance restricted account permission: can only place reduceOnly order.
definitive POSITION_LIMIT: -2025 Reach max open order limit.
    -2027 Exceeded the maximum allowable position at current leverage. | -4045 Reach max stop order limit.
definitive PRICE_BAND: -4016 Limit price can't be higher than {}. | -4024 Limit price can't be lower than {}.
    -4131 The counterparty's best price does not meet the PERCENT_PRICE filter limit.
    -5060 Limit price is out of the range of PERCENT_PRICE. *
    -4183 Trigger price is higher than stop multiplier cap.
    -4184 Trigger price is lower than stop multiplier floor.
settled ACCOUNT_MODE: -4044 Balance is not enough, can't change margin type. | -4046 No need to change margin type.
    -4052 No need to change auto add margin. | -4059 No need to change position side.
    -4171 No need to change Multi-Assets Mode.
definitive ACCOUNT_MODE: -4047 Margin type cannot be changed if there exists open orders.
    -4048 Margin type cannot be changed if there exists position.
    -4049 Add margin only support for isolated position. | -4053 Auto add margin only support for isolated position.
    -4054 Cannot add position margin: position is 0. | -4061 Order's position side does not match user's setting.
    -4067 Position side cannot be changed if there exists open orders.
    -4068 Position side cannot be changed if there exists position.
    -4161 Leverage reduction is not supported in Isolated Margin Mode with open positions.
    -4167 Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.
    -4168 Unable to adjust to isolated-margin mode under the Multi-Assets mode.
    -4169 Unable to adjust Multi-Assets Mode with insufficient margin balance in USDⓈ-M Futures.
    -4170 Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.
    -4172 Unable to adjust Multi-Assets Mode with a negative wallet balance of margin available asset in USDⓈ-M Futures account.
    -4531 Position mode is being changed, try again later.
settled DUPLICATE_CLIENT_ID: -4116 ClientOrderId is duplicated.
definitive TRADING_STOPPED: -4140 Invalid symbol status for opening position. | -4141 Symbol is closed.
    -5024 Symbol is not in trading status. Order amendment is not permitted.
ambiguous CLOCK_SKEW: -4225 Nonce Expired
definitive ORDER_BELOW_MIN_NOTIONAL: -5076 Total order value should be more than 5 USDT *
    -4164 Order's notional must be no smaller than {} (unless you choose reduce only).
    -5029 Order's notional must be no smaller than {}.
definitive ORDER_WOULD_CROSS: -5022 Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history.
settled ORDER_INVALID: -5027 No need to modify the order.
safe ORDER_INVALID: -5043 There are pending modifications, try again later.
""")

# The three bodies of HTTP 503, and the outcome of each.
TEXT_503: Final = {
    "Unknown error, please check your request or try again later.": Outcome.AMBIGUOUS,
    "Service Unavailable.": Outcome.SAFE,
    str(ERRORS[-1008].text): Outcome.SAFE,
}


def text_of(code: int, *values: object) -> str:
    """Returns the venue's text of a code, with values filled in."""
    return str(ERRORS[code].text).format(*values)


def is_error(value: dict[str, Any]) -> bool:
    """Tells whether an answer with this body is an error, whatever its status."""
    code = value.get("code")
    return isinstance(code, int) and code < 0

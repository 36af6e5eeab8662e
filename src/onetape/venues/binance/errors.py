"""Error codes of Binance USD-M futures: outcome, our number, text.

Sources: "Error Codes" and "General Info" of the USD-M documentation and its change log, read
2026-11; -4120 since 2025-12-09; -4059, -4046 and -4171 say that a setting is as asked for; the
texts as venues' answers quote them. What is known from third parties only is marked *.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.model.errors import (
    AccountMode,
    BadSignature,
    ClockSkew,
    DuplicateClientId,
    HaltedAccount,
    InsufficientFunds,
    OnetapeError,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    OrderUnknown,
    OrderWouldCross,
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
from onetape.venues.outcome import ErrorRow, Outcome

__all__ = ["ERRORS", "TEXT_503", "is_error", "text_of"]

D, A, R, S = Outcome.DEFINITIVE, Outcome.AMBIGUOUS, Outcome.SAFE, Outcome.SETTLED


_ROWS: Final[tuple[tuple[int, Outcome, type[OnetapeError], str], ...]] = (
    (-1000, A, OrderOutcomeUnknown, "An unknown error occurred while processing the request."),
    (-1001, A, OrderOutcomeUnknown, "Internal error; unable to process your request. Please try again."),
    (-1002, D, PermissionDenied, "You are not authorized to execute this request."),
    (-1003, R, VenueRateLimit, "Too many requests; current limit of IP({}) is {} requests per minute. Please use the websocket for live updates to avoid polling the API."),
    (-1006, A, OrderOutcomeUnknown, "An unexpected response was received from the message bus. Execution status unknown."),
    (-1007, A, OrderOutcomeUnknown, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
    (-1008, R, VenueUnavailable, "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again."),
    (-1010, D, VenueRejected, "ERROR_MSG_RECEIVED."),
    (-1013, D, OrderInvalid, "Invalid message."),
    (-1014, D, OrderInvalid, "Unsupported order combination."),
    (-1015, R, OrderRate, "Too many new orders; current limit is {} orders per {}."),
    (-1016, R, VenueUnavailable, "This service is no longer available."),
    (-1020, D, OrderInvalid, "This operation is not supported."),
    (-1021, R, ClockSkew, "Timestamp for this request is outside of the recvWindow."),
    (-1022, D, BadSignature, "Signature for this request is not valid."),
    (-1100, D, OrderInvalid, "Illegal characters found in parameter '{}'; legal range is '{}'."),
    (-1101, D, OrderInvalid, "Too many parameters sent for this endpoint."),
    (-1102, D, OrderInvalid, "Mandatory parameter '{}' was not sent, was empty/null, or malformed."),
    (-1103, D, OrderInvalid, "An unknown parameter was sent."),
    (-1104, D, OrderInvalid, "Not all sent parameters were read."),
    (-1105, D, OrderInvalid, "Parameter '{}' was empty."),
    (-1106, D, OrderInvalid, "Parameter '{}' sent when not required."),
    (-1108, D, OrderInvalid, "Invalid asset."),
    (-1109, D, PermissionDenied, "Invalid account."),
    (-1111, D, OrderInvalid, "Precision is over the maximum defined for this asset."),
    (-1114, D, OrderInvalid, "TimeInForce parameter sent when not required."),
    (-1115, D, OrderInvalid, "Invalid timeInForce."),
    (-1116, D, OrderInvalid, "Invalid orderType."),
    (-1117, D, OrderInvalid, "Invalid side."),
    (-1118, D, OrderInvalid, "New client order ID was empty."),
    (-1119, D, OrderInvalid, "Original client order ID was empty."),
    (-1120, D, OrderInvalid, "Invalid interval."),
    (-1121, D, UnknownSymbol, "Invalid symbol."),
    (-1122, D, UnknownSymbol, "Invalid symbol status."),
    (-1125, R, PermissionDenied, "This listenKey does not exist."),
    (-1127, D, OrderInvalid, "Lookup interval is too big."),
    (-1128, D, OrderInvalid, "Combination of optional parameters invalid."),
    (-1130, D, OrderInvalid, "Data sent for parameter '{}' is not valid."),
    (-1136, D, OrderInvalid, "Invalid newOrderRespType."),
    (-2010, D, VenueRejected, "Order was rejected."),
    # The cancel did nothing; what became of the order is not said.
    (-2011, D, OrderUnknown, "Unknown order sent."),
    # Seconds after a submit, and for conditional orders, it proves nothing.
    (-2013, A, OrderUnknown, "Order does not exist."),
    (-2014, D, BadSignature, "API-key format invalid."),
    (-2015, D, PermissionDenied, "Invalid API-key, IP, or permissions for action."),
    (-2017, D, PermissionDenied, "API Keys are locked on this account."),
    (-2018, D, InsufficientFunds, "Balance is insufficient."),
    (-2019, D, InsufficientFunds, "Margin is insufficient."),
    (-2020, D, VenueRejected, "Unable to fill."),
    (-2021, D, OrderWouldTrigger, "Order would immediately trigger."),
    (-2022, D, ReduceOnlyViolated, "ReduceOnly Order is rejected."),
    (-2023, D, HaltedAccount, "User in liquidation mode now."),
    (-2024, D, ReduceOnlyViolated, "Position is not sufficient."),
    (-2025, D, PositionLimit, "Reach max open order limit."),
    (-2026, D, OrderInvalid, "This OrderType is not supported when reduceOnly."),
    (-2027, D, PositionLimit, "Exceeded the maximum allowable position at current leverage."),
    (-2028, D, InsufficientFunds, "Leverage is smaller than permitted: insufficient margin balance."),
    (-4001, D, OrderInvalid, "Price less than 0."),
    (-4002, D, OrderInvalid, "Price greater than max price."),
    (-4003, D, OrderInvalid, "Quantity less than zero."),
    (-4004, D, OrderInvalid, "Quantity less than min quantity."),
    (-4005, D, OrderInvalid, "Quantity greater than max quantity."),
    (-4013, D, OrderInvalid, "Price less than min price."),
    (-4014, D, OrderInvalid, "Price not increased by tick size."),
    (-4015, D, OrderInvalid, "Client order id length should be less than 36 chars"),
    (-4016, D, PriceBand, "Limit price can't be higher than {}."),
    (-4023, D, OrderInvalid, "Quantity not increased by step size."),
    (-4024, D, PriceBand, "Limit price can't be lower than {}."),
    (-4026, D, InsufficientFunds, "The user has insufficient balance available"),  # * of the wallet side
    (-4028, D, OrderInvalid, "Leverage {} is not valid"),
    (-4029, D, OrderInvalid, "Tick size precision is invalid."),
    (-4030, D, OrderInvalid, "Step size precision is invalid."),
    (-4044, S, AccountMode, "Balance is not enough, can't change margin type."),
    (-4045, D, PositionLimit, "Reach max stop order limit."),
    (-4046, S, AccountMode, "No need to change margin type."),
    (-4047, D, AccountMode, "Margin type cannot be changed if there exists open orders."),
    (-4048, D, AccountMode, "Margin type cannot be changed if there exists position."),
    (-4049, D, AccountMode, "Add margin only support for isolated position."),
    (-4050, D, InsufficientFunds, "Cross balance insufficient."),
    (-4051, D, InsufficientFunds, "Isolated balance insufficient."),
    (-4052, S, AccountMode, "No need to change auto add margin."),
    (-4053, D, AccountMode, "Auto add margin only support for isolated position."),
    (-4054, D, AccountMode, "Cannot add position margin: position is 0."),
    (-4055, D, OrderInvalid, "Amount must be positive."),
    (-4056, D, BadSignature, "Invalid api key type."),
    (-4057, D, BadSignature, "Invalid api public key"),
    (-4059, S, AccountMode, "No need to change position side."),
    (-4060, D, OrderInvalid, "Invalid position side."),
    (-4061, D, AccountMode, "Order's position side does not match user's setting."),
    (-4062, D, OrderInvalid, "Invalid or improper reduceOnly value."),
    (-4067, D, AccountMode, "Position side cannot be changed if there exists open orders."),
    (-4068, D, AccountMode, "Position side cannot be changed if there exists position."),
    (-4087, D, HaltedAccount, "User can only place reduce only order."),
    (-4088, D, HaltedAccount, "User can not place order currently."),
    (-4109, D, HaltedAccount, "This account is inactive."),
    (-4116, S, DuplicateClientId, "ClientOrderId is duplicated."),
    (-4118, D, ReduceOnlyViolated, "ReduceOnly Order Failed. Please check your existing position and open orders."),
    (-4120, D, VenueRejected, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."),
    (-4129, D, OrderInvalid, "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available."),  # *
    (-4130, D, OrderInvalid, "An open stop or take profit order with GTE and closePosition in the direction is existing."),  # *
    (-4131, D, PriceBand, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    (-4137, D, OrderInvalid, "Quantity must be zero with closePosition equals true."),
    (-4138, D, OrderInvalid, "Reduce only must be true with closePosition equals true."),
    (-4140, D, TradingStopped, "Invalid symbol status for opening position."),
    # Aster's own. A nonce is refused that was used, too: perhaps by this very request.
    (-4225, A, ClockSkew, "Nonce Expired"),
    (-5050, D, PermissionDenied, "Deposit required."),  # * its name; the text is not known
    (-5060, D, PriceBand, "Limit price is out of the range of PERCENT_PRICE."),  # * as ccxt reads it
    (-5076, D, OrderBelowMinNotional, "Total order value should be more than 5 USDT"),  # *
    # Of transfers at Aster: one by this id was carried out in the last seven days, and the history says so.
    (-4114, D, VenueRejected, "clientTranId is not valid."),
    (-4115, A, OrderOutcomeUnknown, "clientTranId is duplicated."),
    (-4141, D, TradingStopped, "Symbol is closed."),
    (-4142, D, OrderWouldTrigger, "REJECT: take profit or stop order will be triggered immediately."),
    (-4161, D, AccountMode, "Leverage reduction is not supported in Isolated Margin Mode with open positions."),
    (-4164, D, OrderBelowMinNotional, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    (-4165, D, OrderInvalid, "Maximum time interval is {} days"),
    (-4167, D, AccountMode, "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode."),
    (-4168, D, AccountMode, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."),
    (-4169, D, AccountMode, "Unable to adjust Multi-Assets Mode with insufficient margin balance in USDⓈ-M Futures."),
    (-4170, D, AccountMode, "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures."),
    (-4171, S, AccountMode, "No need to change Multi-Assets Mode."),
    (-4172, D, AccountMode, "Unable to adjust Multi-Assets Mode with a negative wallet balance of margin available asset in USDⓈ-M Futures account."),
    (-4183, D, PriceBand, "Trigger price is higher than stop multiplier cap."),
    (-4184, D, PriceBand, "Trigger price is lower than stop multiplier floor."),
    (-4192, D, HaltedAccount, "Trade forbidden due to Cooling-off Period."),
    (-4400, D, HaltedAccount, "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please try again later."),
    (-4401, D, HaltedAccount, "Compliance restricted account permission: can only place reduceOnly order."),
    (-4531, D, AccountMode, "Position mode is being changed, try again later."),
    # Of the wallet side.
    (-5002, D, InsufficientFunds, "You have insufficient balance."),
    (-5013, D, InsufficientFunds, "Asset transfer failed: insufficient balance."),
    (-5000, D, VenueRejected, "Path {}, Method {} is invalid"),
    (-5021, D, OrderInvalid, "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history."),
    (-5022, D, OrderWouldCross, "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history."),
    (-5024, D, TradingStopped, "Symbol is not in trading status. Order amendment is not permitted."),
    (-5025, D, OrderInvalid, "Only limit order is supported."),
    (-5026, D, OrderInvalid, "Exceed maximum modify order limit."),
    (-5027, S, OrderInvalid, "No need to modify the order."),
    (-5028, R, ClockSkew, "Timestamp for this request is outside of the ME recvWindow."),
    (-5029, D, OrderBelowMinNotional, "Order's notional must be no smaller than {}."),
    (-5037, D, OrderInvalid, "Invalid price match"),
    (-5038, D, OrderInvalid, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT"),
    (-5039, D, OrderInvalid, "Invalid self trade prevention mode"),
    (-5040, D, OrderInvalid, "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than 253402300799000"),
    (-5041, D, VenueRejected, "No depth matches this BBO order"),
    (-5043, R, OrderInvalid, "There are pending modifications, try again later."),
)  # fmt: skip

ERRORS: Final[dict[int | str, ErrorRow]] = {
    code: ErrorRow(code, outcome, error, text) for code, outcome, error, text in _ROWS
}

# The three bodies of HTTP 503, and what they mean for the request.
TEXT_503: Final = {
    "Unknown error, please check your request or try again later.": A,
    "Service Unavailable.": R,
    str(ERRORS[-1008].text): R,
}


def text_of(code: int, *values: object) -> str:
    """Returns the venue's text of a code, with values in its places."""
    return str(ERRORS[code].text).format(*values)


def is_error(value: dict[str, Any]) -> bool:
    """An answer of this body says what went wrong, whatever its status."""
    code = value.get("code")
    return isinstance(code, int) and code < 0

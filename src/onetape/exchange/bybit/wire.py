"""Formats numbers, orders and refusals like Bybit v5, for REST and WebSocket.

Numbers are decimals as text, times milliseconds as text. Sources: Bybit API documentation v5, "Get Open & Closed
Orders", "WebSocket Stream, Private: Order" and "Error Codes", as of 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from onetape._core import units_text
from onetape.exchange.account import SimOrder
from onetape.exchange.reports import OrderReport
from onetape.model.enums import Kind, OrderState, OrderType, TriggerBy
from onetape.model.errors import (
    AccountMode,
    DuplicateClientId,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderBelowMinNotional,
    OrderUnknown,
    OrderWouldCross,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
)
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.venues.bybit.errors import ERRORS
from onetape.venues.bybit.words import CATEGORIES, POSITION_INDEX, SIDE_WORDS, STATE_WORDS, TIF_WORDS, TRIGGERS

__all__ = [
    "Refused",
    "fee_currency",
    "fixed",
    "id_of",
    "money_text",
    "ms",
    "order_id",
    "order_names",
    "order_row",
    "page_of",
    "price_text",
    "refusal",
    "said",
    "size_text",
    "uuid_of",
    "value_text",
]

MONEY_SHOWN: Final = 8
_ORDERS: Final = 0xB1B1 << 112  # the first half of an order's id
_KIND_MASK: Final = (1 << 112) - 1
# Our error numbers of refusals -> the venue's codes.
CODES: Final = {
    InsufficientFunds.code: 110007,
    PositionLimit.code: 110020,
    ReduceOnlyViolated.code: 110017,
    AccountMode.code: 10001,
    MarketDataUnavailable.code: 110003,
    PriceBand.code: 110003,
    OrderBelowMinNotional.code: 110094,
    OrderUnknown.code: 110001,
    DuplicateClientId.code: 110072,
}
SPOT_CODES: Final = {
    InsufficientFunds.code: 170131,
    PositionLimit.code: 170020,
    MarketDataUnavailable.code: 170193,
    PriceBand.code: 170193,
    OrderBelowMinNotional.code: 170140,
    OrderUnknown.code: 170213,
    DuplicateClientId.code: 170141,
}
# Error number -> why the engine ended an order that was acknowledged.
_REASONS: Final = {
    OrderWouldCross.code: "EC_PostOnlyWillTakeLiquidity",
    ReduceOnlyViolated.code: "EC_ReduceOnlyOrder",
    SelfTrade.code: "EC_SelfMatch",
    InsufficientFunds.code: "EC_NoEnoughBalance",
}
_CANCELS: Final = {
    "client": "CancelByUser",
    SelfTrade.code: "CancelBySmp",
    ReduceOnlyViolated.code: "CancelByReduceOnly",
}
_CREATED: Final = {"liquidation": "CreateByLiq", "adl": "CreateByAdl_PassThrough", "settlement": "CreateBySettle"}


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request. code: the venue's; text: "": that of the table of errors."""

    def __init__(self, code: int, text: str = "", *, status: int = 200) -> None:
        row = ERRORS.get(code)
        super().__init__(text or (row.text if row is not None else ""))
        self.code, self.status = code, status
        self.headers: dict[str, str] = {}

    @property
    def text(self) -> str:
        return str(self)


def refusal(i: Instrument, code: int, text: str = "") -> Refused:
    """Returns the refusal for an error number of ours: the venue has codes of its own for spot."""
    return Refused((SPOT_CODES if i.kind is Kind.SPOT else CODES).get(code, 10001), text)


def said(now: int, result: Mapping[str, Any], *, code: int = 0, text: str = "OK", more: Any = None) -> dict[str, Any]:
    """Returns the envelope of an answer. now: ns UTC; more: its `retExtInfo`."""
    return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": more or {}, "time": ms(now)}


def ms(time: int) -> int:
    return time // 1_000_000


def price_text(i: Instrument, price: int) -> str:
    return units_text(price, i.price_decimals, i.price_decimals)


def size_text(i: Instrument, size: int) -> str:
    return units_text(size, i.size_decimals, i.size_decimals)


def fixed(text: str) -> dict[str, str]:
    """Returns fields that never change here, from words `name=value`."""
    return dict(each.split("=") for each in text.split())


def money_text(units: int) -> str:
    """Formats money (1e-18), rounded down to the digits that the venue shows."""
    return units_text(units // 10 ** (MONEY_DECIMALS - MONEY_SHOWN), MONEY_SHOWN, 0)


def value_text(i: Instrument, price: int, size: int) -> str:
    """Formats a value in the settle currency: of an inverse contract in its coin."""
    return money_text(abs(i.notional_units(price, size)))


def average(i: Instrument, order: SimOrder, filled: int, cost: int) -> int:
    """Returns the average price of an order's fills."""
    if i.kind is Kind.INVERSE and order.value:
        return int(i.size(order.filled) * i.multiplier * 10 ** (MONEY_DECIMALS + i.price_decimals)) // order.value
    return cost // filled


def uuid_of(number: int, kind: int = _ORDERS) -> str:
    """Returns an id in the venue's form. kind: its first half."""
    return str(UUID(int=kind | number))


def order_id(i: Instrument, order: SimOrder) -> str:
    return str(order.id) if i.kind is Kind.SPOT else uuid_of(order.id)


def id_of(text: str) -> int:
    """Returns the number of an order's id, 0 for another text."""
    if text.isascii() and text.isdigit():  # of spot
        return int(text)
    try:
        value = UUID(text).int
    except ValueError:
        return 0
    return value & _KIND_MASK if value & ~_KIND_MASK == _ORDERS else 0


def page_of(rows: list[Any], limit: int, cursor: str) -> tuple[list[Any], str]:
    """Returns a page of rows, and the cursor of the next one: the number of rows already shown, and how many there were
    at the first page, so that rows that come meanwhile shift nothing."""
    shown, _, total = (cursor or "0-0").partition("-")
    if not (shown.isdigit() and total.isdigit()):
        raise Refused(10001, "cursor is invalid")
    start = int(shown) + (max(len(rows) - int(total), 0) if int(total) else 0)
    after = start + limit
    return rows[start:after], f"{after}-{len(rows)}" if after < len(rows) else ""


_FIXED: Final = fixed(
    "blockTradeId= isLeverage= orderIv= closedPnl=0 tpTriggerBy= slTriggerBy= tpLimitPrice= slLimitPrice= smpType=None "
    "smpGroup=0 smpOrderId= placeType="
)


def fee_currency(i: Instrument, order: SimOrder) -> str:
    return i.base if order.extra.get("fee_in_base") else i.settle


def _state_word(order: SimOrder, state: OrderState, filled: int) -> str:
    if order.trigger and state is OrderState.ACCEPTED:
        return "Untriggered"
    if state in (OrderState.ACCEPTED, OrderState.TRIGGERED) and filled:
        return "PartiallyFilled"
    return STATE_WORDS.get(state, "New")


def order_names(i: Instrument, order: SimOrder) -> dict[str, Any]:
    """Returns the fields by which rows of orders and of executions name an order."""
    return {
        "category": CATEGORIES[i.kind],
        "symbol": i.raw_symbol,
        "orderId": order_id(i, order),
        "orderLinkId": order.client_id if order.origin == "client" else "",
        "side": SIDE_WORDS[order.side],
        "positionIdx": POSITION_INDEX[order.position_side],
    }


def order_row(i: Instrument, order: SimOrder, report: OrderReport | None = None) -> dict[str, Any]:
    """Returns an order as the venue shows it, now or at the time of a report."""
    state, filled, cost, code, updated = order.state, order.filled, order.cost, order.code, order.updated
    fee = order.fee + order.fee_base  # one of them is zero
    if report is not None:
        state, filled, cost, code, updated = report.state, report.filled, report.cost, report.code, report.time
        fee = report.fee + report.fee_base
    size = order.extra.get("amount", order.size)  # as sent: what reduces may have been cut
    left = 0 if state.is_final else max(size - filled, 0)
    ended = state.is_final and state is not OrderState.FILLED
    is_limit, word = order.type is OrderType.LIMIT, _state_word(order, state, filled)
    if state is OrderState.REJECTED and code in _REASONS:  # it was acknowledged, then ended by the engine
        word = "Cancelled"
    if i.kind is Kind.SPOT and word == "Cancelled" and filled:
        word = "PartiallyFilledCanceled"
    reason = _REASONS.get(code, "EC_NoError") if ended else "EC_NoError"
    if ended and not code and order.tif.value in ("IOC", "FOK") and not order.extra.get("canceled"):
        reason = "EC_NoImmediateQtyToFill" if not filled else "EC_CancelForNoFullFill"
    canceled = _CANCELS.get(code, _CANCELS["client"] if order.extra.get("canceled") else "UNKNOWN")
    return {
        **order_names(i, order),
        "orderStatus": word,
        "cancelType": canceled if ended else "UNKNOWN",
        "rejectReason": reason,
        "timeInForce": "PostOnly" if order.post_only else TIF_WORDS[order.tif] if is_limit else "IOC",
        "orderType": "Limit" if is_limit else "Market",
        "price": price_text(i, order.price) if is_limit else "0",
        "qty": order.extra.get("value") or size_text(i, size),
        "marketUnit": order.extra.get("unit", ""),
        "avgPrice": price_text(i, average(i, order, filled, cost)) if filled else "",
        "leavesQty": size_text(i, left),
        "leavesValue": value_text(i, order.price, left) if is_limit else "0",
        "cumExecQty": size_text(i, filled),
        "cumExecValue": value_text(i, average(i, order, filled, cost), filled) if filled else "0",
        "cumExecFee": money_text(fee),
        "cumFeeDetail": {fee_currency(i, order): money_text(fee)} if filled else {},
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": bool(order.extra.get("closes")),
        "triggerPrice": price_text(i, order.trigger) if order.trigger else "",
        "triggerDirection": order.extra.get("direction", 0),
        "triggerBy": TRIGGERS[order.trigger_by] if order.trigger_by is not TriggerBy.NONE else "",
        "stopOrderType": order.extra.get("stop", "") if order.trigger else "",
        "lastPriceOnCreated": order.extra.get("last", ""),
        "takeProfit": order.extra.get("takeProfit", ""),
        "stopLoss": order.extra.get("stopLoss", ""),
        "tpslMode": order.extra.get("tpslMode", ""),
        "parentOrderLinkId": order.extra.get("parent", ""),
        "createType": _CREATED.get(order.origin, order.extra.get("createType", "CreateByUser")),
        "createdTime": str(ms(order.created)),
        "updatedTime": str(ms(updated)),
        **_FIXED,
    }

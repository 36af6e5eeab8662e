"""Formats numbers, orders and refusals like OKX v5, for REST and WebSocket.

Numbers are decimals as text, times milliseconds as text. Sources: OKX API v5 documentation, "Order channel", "Algo
orders channel" and "Error Code", as of 2026-07, and its change log until 2026-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from onetape._core import units_text
from onetape.exchange.account import SimFill, SimOrder
from onetape.exchange.conditional import Conditional
from onetape.exchange.reports import OrderReport
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, OrderState, OrderType, TriggerBy
from onetape.model.errors import (
    AccountMode,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderInvalid,
    OrderUnknown,
    OrderWouldCross,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
)
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.venues.okx.errors import ERRORS
from onetape.venues.okx.words import POSITION_WORDS, TIF_WORDS, TRIGGERS, type_of

__all__ = [
    "CODES",
    "Refused",
    "algo_row",
    "algo_state",
    "average_text",
    "fee_currency",
    "fill_fields",
    "fixed",
    "money_text",
    "ms",
    "numbered",
    "order_row",
    "price_text",
    "profit_text",
    "rounded_text",
    "said",
    "size_text",
]

MONEY_SHOWN: Final = 9
# Our error numbers of refusals -> the venue's codes.
CODES: Final = {
    InsufficientFunds.code: 51008,
    PositionLimit.code: 51104,
    ReduceOnlyViolated.code: 51169,
    AccountMode.code: 51010,
    MarketDataUnavailable.code: 51006,
    PriceBand.code: 51006,
    OrderUnknown.code: 51503,
    OrderInvalid.code: 51000,
}
# Error number -> cancelSource of an order that was acknowledged and ended by the engine.
_SOURCES: Final = {OrderWouldCross.code: "31", SelfTrade.code: "32", ReduceOnlyViolated.code: "22"}
_ENDS: Final = {"IOC": "14", "FOK": "13"}
_SOURCES_OF: Final = {"trigger": "6", "move_order_stop": "25"}  # why an order with a trigger has sent one
_CATEGORIES: Final = {"liquidation": "full_liquidation", "adl": "adl", "settlement": "delivery"}
_STATES: Final = {
    OrderState.ACCEPTED: "live",
    OrderState.TRIGGERED: "live",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
}
_ALGO_STATES: Final = {
    "NEW": "live",
    "TRIGGERING": "live",
    "TRIGGERED": "effective",
    "FINISHED": "effective",
    "REJECTED": "order_failed",
}


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request. code: the venue's; text: "": that of the table of errors."""

    def __init__(self, code: int, text: str = "", *, status: int = 200) -> None:
        row = ERRORS.get(code)
        super().__init__(text or (row.text if row is not None else ""))
        self.code, self.status = code, status

    @property
    def text(self) -> str:
        return str(self)


def said(rows: Any, *, code: int = 0, text: str = "") -> dict[str, Any]:
    """Returns the envelope of an answer."""
    return {"code": str(code), "msg": text, "data": rows}


def ms(time: int) -> str:
    return str(time // 1_000_000)


def price_text(i: Instrument, price: int) -> str:
    return units_text(price, i.price_decimals, 0)


def size_text(i: Instrument, size: int) -> str:
    return units_text(size, i.size_decimals, 0)


def fixed(text: str) -> dict[str, str]:
    """Returns fields that never change here, from words `name=value`."""
    return dict(each.split("=") for each in text.split())


def money_text(units: int) -> str:
    """Formats money (1e-18), rounded down to the digits that the venue shows."""
    return units_text(units // 10 ** (MONEY_DECIMALS - MONEY_SHOWN), MONEY_SHOWN, 0)


def rounded_text(price: object) -> str:
    return decimal_text(round(Decimal(str(price)), 8))


def average_text(i: Instrument, order: SimOrder, filled: int, cost: int) -> str:
    """Returns the average price of an order's fills; that of an inverse contract follows from their value."""
    if not filled:
        return ""
    if i.kind is Kind.INVERSE and order.value:
        return rounded_text(i.size(order.filled) * i.multiplier / Decimal(order.value).scaleb(-MONEY_DECIMALS))
    return rounded_text(i.price(cost) / Decimal(filled))


_ORDER: Final = fixed(
    "ccy= pxType= pxUsd= pxVol= quickMgnType= rebate=0 rebateCcy= tag= slOrdPx= slTriggerPx= slTriggerPxType= "
    " tpOrdPx= tpTriggerPx= tpTriggerPxType= attachAlgoClOrdId= isTpLimit=false stpId= "
    "stpMode=cancel_maker tradeQuoteCcy="
)


def _why(i: Instrument, order: SimOrder, code: int) -> str:
    """Returns the cancelSource of an ended order."""
    if i.expiry is not None and order.updated >= i.expiry:
        return "7"
    if code in _SOURCES:
        return _SOURCES[code]
    if order.extra.get("canceled"):
        return str(order.extra["canceled"])
    return _ENDS.get(order.tif.value, "14" if order.type is OrderType.MARKET else "20")


def order_row(
    i: Instrument, order: SimOrder, margin: str, leverage: str, report: OrderReport | None = None
) -> dict[str, Any]:
    """Returns an order as the venue shows it, now or at the time of a report."""
    state, filled, cost, code, updated, fees = (
        (order.state, order.filled, order.cost, order.code, order.updated, (order.fee, order.fee_base))
        if report is None
        else (report.state, report.filled, report.cost, report.code, report.time, (report.fee, report.fee_base))
    )
    word, parent = _STATES.get(state, "canceled"), order.extra.get("parent")
    if word == "live" and filled:
        word = "partially_filled"
    is_limit, is_canceled = order.type is OrderType.LIMIT, word == "canceled"
    own = order.origin == "client" and not parent
    why = _why(i, order, code) if is_canceled else ""
    money = order.extra.get("money", "")  # that a purchase spends, in place of its size
    return {
        "instType": type_of(i),
        "instId": i.raw_symbol,
        "ordId": str(order.id),
        "clOrdId": order.client_id if own else "",
        "algoId": str(parent.id) if isinstance(parent, Conditional) else "",
        "algoClOrdId": parent.client_id if isinstance(parent, Conditional) else "",
        "px": price_text(i, order.price) if is_limit else "",
        "sz": money or size_text(i, order.size),
        "tgtCcy": "quote_ccy" if money else "base_ccy" if i.kind is Kind.SPOT and not is_limit else "",
        "ordType": ("post_only" if order.post_only else TIF_WORDS[order.tif]) if is_limit else "market",
        "side": order.side.value,
        "posSide": POSITION_WORDS[order.position_side],
        "tdMode": margin,
        "accFillSz": size_text(i, filled),
        "avgPx": average_text(i, order, filled, cost),
        "state": word,
        "lever": leverage,
        "fee": money_text(-fees[pays_in_base(order)]),
        "feeCcy": fee_currency(i, order),
        "pnl": "0",
        "source": _SOURCES_OF.get(parent.extra["ordType"], "7") if isinstance(parent, Conditional) else "",
        "category": _CATEGORIES.get(order.origin, "normal"),
        "reduceOnly": str(order.reduce_only).lower(),
        "cancelSource": why,
        "cancelSourceReason": f"cancelSource {why}" if why else "",
        "fillPx": "",
        "fillSz": "0",
        "fillTime": "",
        "tradeId": "",
        "linkedAlgoOrd": {"algoId": ""},
        "attachAlgoOrds": order.extra.get("attached", []),
        "cTime": ms(order.created),
        "uTime": ms(updated),
        **_ORDER,
    }


def pays_in_base(order: SimOrder) -> bool:
    return bool(order.extra.get("fee_in_base"))


def fee_currency(i: Instrument, order: SimOrder) -> str:
    """Returns the currency of an order's fees: a purchase on spot pays in the coin."""
    return i.base if pays_in_base(order) else i.settle


def profit_text(i: Instrument, fill: SimFill) -> str:
    return "0" if i.kind is Kind.SPOT else money_text(fill.realized)


def fill_fields(i: Instrument, order: SimOrder, fill: SimFill) -> dict[str, str]:
    """Returns the fields of an order's event that its last fill has."""
    return {
        "fillPx": price_text(i, fill.price),
        "fillSz": size_text(i, fill.size),
        "fillTime": ms(fill.time),
        "tradeId": str(fill.trade_id),
        "execType": "M" if fill.is_maker else "T",
        "fillFee": money_text(-fill.fee),
        "fillFeeCcy": fee_currency(i, order),
        "fillPnl": profit_text(i, fill),
        "fillNotionalUsd": money_text(i.notional_units(fill.price, fill.size)),
    }


_ALGO: Final = fixed(
    "ccy= closeFraction= tgtCcy= tag= callbackSpread= quickMgnType= amendPxOnTriggerType=0 last= isTradeBorrowMode= "
    "chaseType= chaseVal= maxChaseType= maxChaseVal="
)


def algo_state(state: str) -> str:
    return _ALGO_STATES.get(state, "canceled")


def algo_row(i: Instrument, order: Conditional, margin: str, leverage: str, *, state: str = "") -> dict[str, Any]:
    """Returns an order with a trigger. state: of a report, "": the present one."""
    child, kind = order.child, order.extra["ordType"]
    word = algo_state(state or order.state)
    price = "-1" if order.is_market else price_text(i, order.price)
    by = TRIGGERS[order.by] if order.by is not TriggerBy.NONE else "last"
    legs = {f"{side}{name}": "" for side in ("sl", "tp") for name in ("TriggerPx", "TriggerPxType", "OrdPx")}
    trigger = price_text(i, order.trigger)
    terms = (trigger, by, price) if kind == "trigger" else ("", "", "")
    number = str(child.id) if child is not None and word == "effective" else ""
    return {
        "instType": type_of(i),
        "instId": i.raw_symbol,
        "algoId": str(order.id),
        "algoClOrdId": order.client_id,
        "clOrdId": "",
        "ordId": number,
        "ordIdList": [number] if number else [],
        "ordType": kind,
        "state": word,
        "side": order.side.value,
        "posSide": POSITION_WORDS[order.position_side],
        "sz": size_text(i, order.size),
        "tdMode": margin,
        "lever": leverage,
        "reduceOnly": str(order.reduce_only).lower(),
        **legs,
        **order.extra.get("legs", {}),
        "actualSide": ("tp" if order.type.startswith("TAKE_PROFIT") else "sl") if number and kind == "oco" else "",
        "triggerPx": terms[0],
        "triggerPxType": terms[1],
        "orderPx": terms[2],
        "ordPx": terms[2],
        "callbackRatio": order.extra.get("callbackRatio", ""),
        "activePx": price_text(i, order.activate) if order.activate else "",
        "moveTriggerPx": trigger if order.activated else "",
        "actualSz": size_text(i, child.filled) if child is not None else "0",
        "actualPx": "",
        "triggerTime": ms(order.triggered) if order.triggered else "",
        "failCode": "1" if word == "order_failed" else "",
        "failReason": order.reason if word == "order_failed" else "",
        "linkedOrd": {"ordId": ""},
        "attachAlgoOrds": [],
        "cTime": ms(order.created),
        "uTime": ms(order.updated),
        **_ALGO,
    }


def numbered(query: Mapping[str, Any], name: str, usual: int, most: int) -> int:
    """Returns a whole number of a query, at most `most`. Raises Refused."""
    text = str(query.get(name) or "")
    if not text:
        return min(usual, most)
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise Refused(51000, f"Parameter {name} error")
    return min(int(text), most)

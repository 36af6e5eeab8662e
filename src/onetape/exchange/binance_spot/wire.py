"""Binance spot: refusals, and orders as rows. Source: "Trading endpoints" and "Error codes" of the spot documentation,
as of 2026-07.

Amounts, prices and quantities have eight decimals. A refused order leaves no trace; one that self-trade prevention has
ended is EXPIRED_IN_MATCH.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from onetape._core import units_text
from onetape.exchange.account import SimFill, SimOrder, Trade
from onetape.exchange.binance.wire import DECIMALS, Refused, ms, owed, status_of
from onetape.model.enums import OrderState, Side
from onetape.model.errors import (
    InsufficientFunds,
    MarketDataUnavailable,
    OrderBelowMinNotional,
    OrderWouldCross,
    OrderWouldTrigger,
    PriceBand,
    SelfTrade,
)
from onetape.model.instrument import Instrument
from onetape.venues.binance_spot.errors import FILTER

__all__ = [
    "STP",
    "STP_USUAL",
    "ZERO",
    "cancel_row",
    "failed_filter",
    "fill_rows",
    "full_row",
    "kind_of",
    "list_state",
    "named",
    "order_row",
    "price8",
    "quote_text",
    "refused",
    "refused_order",
    "side_of",
    "size8",
    "spot_status",
    "trade_row",
]

# The modes of self-trade prevention -> the exchange's rules.
STP: Final = {"EXPIRE_TAKER": "cancel_incoming", "EXPIRE_MAKER": "cancel_resting", "EXPIRE_BOTH": "cancel_both"}
STP_USUAL: Final = "EXPIRE_MAKER"
ZERO: Final = "0.00000000"
_TEXTS: Final = {
    InsufficientFunds.code: "Account has insufficient balance for requested action.",
    OrderWouldCross.code: "Order would immediately match and take.",
    OrderWouldTrigger.code: "Stop price would trigger immediately.",
    MarketDataUnavailable.code: "Market is closed.",
}
_FILTERS: Final = {OrderBelowMinNotional.code: "NOTIONAL", PriceBand.code: "PERCENT_PRICE_BY_SIDE"}


def refused(text: str, code: int = -2010, status: int = 400) -> Refused:
    return Refused(code, text=text, status=status)


def failed_filter(name: str) -> Refused:
    return Refused(-1013, text=f"{FILTER}{name}")


def refused_order(code: int) -> Refused:
    """Returns the refusal for an error number of the exchange."""
    if code in _FILTERS:
        return failed_filter(_FILTERS[code])
    return refused(_TEXTS.get(code, "Order was rejected."))


def price8(i: Instrument, price: int) -> str:
    return units_text(price, i.price_decimals, DECIMALS)


def size8(i: Instrument, size: int) -> str:
    return units_text(size, i.size_decimals, DECIMALS)


def quote_text(i: Instrument, cost: int) -> str:
    """Returns an amount of the quote currency. cost: price times size, in units."""
    return units_text(cost * 10**DECIMALS // 10 ** (i.price_decimals + i.size_decimals), DECIMALS, DECIMALS)


def kind_of(order: SimOrder) -> str:
    """Returns the type of an order; the venue's own are at the market."""
    kind: str = order.extra.get("kind") or order.type.value.upper()
    return kind


def side_of(order: SimOrder) -> str:
    return "BUY" if order.side is Side.BUY else "SELL"


def state_of(order: SimOrder, state: OrderState | None) -> OrderState:
    return order.state if state is None else state


def spot_status(order: SimOrder, state: OrderState | None = None) -> str:
    if order.is_open and "after" in order.extra:
        return "PENDING_NEW"
    if "list" in order.extra and state_of(order, state) is OrderState.CANCELED and "by_user" not in order.extra:
        return "EXPIRED"  # another one of its list has traded
    if order.code == SelfTrade.code and not order.is_open:
        return "EXPIRED_IN_MATCH"
    return "CANCELED" if order.extra.get("by_user") and not order.is_open else status_of(order, state)


def order_row(i: Instrument, order: SimOrder) -> dict[str, Any]:
    """Returns an order as queries and lists show it."""
    works = not order.trigger and "after" not in order.extra
    return {
        **full_row(i, order),
        "stopPrice": price8(i, order.extra.get("stop", 0)),
        "icebergQty": ZERO,
        "time": ms(order.created),
        "updateTime": ms(order.updated),
        "isWorking": works,
        "workingTime": ms(order.extra.get("triggered", order.created)) if works else -1,
    }


def named(i: Instrument, order: SimOrder) -> dict[str, Any]:
    """Returns the fields that name an order."""
    return {
        "symbol": i.raw_symbol,
        "orderId": order.id,
        "orderListId": order.extra.get("list", -1),
        "clientOrderId": order.client_id,
    }


def full_row(i: Instrument, order: SimOrder) -> dict[str, Any]:
    """Returns the fields of an order that all answers about it have."""
    row: dict[str, Any] = {
        **named(i, order),
        "price": price8(i, order.price),
        "origQty": size8(i, order.size),
        "executedQty": size8(i, order.filled),
        "origQuoteOrderQty": order.extra.get("quote_qty", ZERO),
        "cummulativeQuoteQty": quote_text(i, order.cost),
        "status": spot_status(order),
        "timeInForce": order.tif.value,
        "type": kind_of(order),
        "side": side_of(order),
        "workingTime": ms(order.extra.get("triggered", order.created)),
        "selfTradePreventionMode": order.extra.get("stp", STP_USUAL),
    }
    if stop := order.extra.get("stop"):
        row["stopPrice"] = price8(i, stop)
    if peg := order.extra.get("peg"):
        row |= {name: int(text) if text.isdigit() else text for name, text in peg.items()}
        row["peggedPrice"] = row["price"]
    return row


def cancel_row(i: Instrument, order: SimOrder, name: str, now: int) -> dict[str, Any]:
    """Returns the answer to a cancel. name: the client id of the cancel."""
    row = full_row(i, order)
    del row["workingTime"]
    return {**row, "origClientOrderId": order.client_id, "clientOrderId": name, "transactTime": ms(now)}


def list_state(instruments: Sequence[Instrument], orders: Sequence[SimOrder], now: int) -> dict[str, Any]:
    """Returns a list of orders as answers show it."""
    first, is_over = orders[0], not any(order.is_open for order in orders)
    raw = instruments[first.index].raw_symbol
    return {
        "orderListId": first.extra["list"],
        "contingencyType": first.extra["contingency"],
        "listStatusType": "ALL_DONE" if is_over else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if is_over else "EXECUTING",
        "listClientOrderId": first.extra["list_name"],
        "transactionTime": ms(now),
        "symbol": raw,
        "orders": [{"symbol": raw, "orderId": o.id, "clientOrderId": o.client_id} for o in orders],
    }


def fee_asset(i: Instrument, order: SimOrder, fill: SimFill) -> str:
    return fill.fee_currency or (i.base if order.extra.get("fee_in_base") else i.quote)


def fill_rows(i: Instrument, order: SimOrder, trades: Iterable[Trade]) -> list[dict[str, Any]]:
    """Returns the fills of an order, of `trades`, as the answer to its placing has them."""
    return [
        {
            "price": price8(i, fill.price),
            "qty": size8(i, fill.size),
            "commission": owed(fill.fee),
            "commissionAsset": fee_asset(i, order, fill),
            "tradeId": fill.trade_id,
        }
        for of, fill in trades
        if of is order
    ]


def trade_row(i: Instrument, trade: Trade) -> dict[str, Any]:
    order, fill = trade
    return {
        "symbol": i.raw_symbol,
        "id": fill.trade_id,
        "orderId": order.id,
        "orderListId": order.extra.get("list", -1),
        "price": price8(i, fill.price),
        "qty": size8(i, fill.size),
        "quoteQty": quote_text(i, fill.price * fill.size),
        "commission": owed(fill.fee),
        "commissionAsset": fee_asset(i, order, fill),
        "time": ms(fill.time),
        "isBuyer": order.side is Side.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }

"""Formats numbers, orders, fills and refusals like Hyperliquid.

Prices, sizes and money are decimals as text without trailing zeros but for one after the point, money with six decimals
at most, times whole milliseconds. Sources: recordings of hyperliquid-python-sdk (tests/cassettes), schemas of
nktkas/hyperliquid of 2026-10, ccxt 4.5.90.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape._core import units_text
from onetape.exchange.account import SimOrder
from onetape.exchange.reports import OrderReport
from onetape.model.enums import OrderState, OrderType, TimeInForce, TriggerKind
from onetape.model.errors import InsufficientFunds, OrderWouldCross, ReduceOnlyViolated, SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.venues.hyperliquid.words import SIDE_WORDS

__all__ = [
    "BAD_ACTION",
    "SPOT_USDC",
    "Refused",
    "coins",
    "front_row",
    "mean_text",
    "ms",
    "order_row",
    "price_text",
    "size_text",
    "status_of",
    "usdc",
]

USDC_DECIMALS: Final = 6
SPOT_USDC: Final = "USDC-SPOT"  # here the USDC of the spot wallet, while it is apart from that of perpetuals
BAD_ACTION: Final = "Failed to deserialize the JSON body into the target type"
_ENDS: Final = {
    SelfTrade.code: "selfTradeCanceled",
    ReduceOnlyViolated.code: "reduceOnlyCanceled",
    InsufficientFunds.code: "marginCanceled",
}
_TYPES: Final = {TriggerKind.STOP: "Stop", TriggerKind.TAKE_PROFIT: "Take Profit"}


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request, or one order of it. status: of HTTP; 200: an answer with `err`."""

    def __init__(self, text: str = BAD_ACTION, status: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.status = status or (422 if text == BAD_ACTION else 200)


def ms(time: int) -> int:
    return time // 1_000_000


def _point(text: str) -> str:
    return text if "." in text else f"{text}.0"


def usdc(units: int) -> str:
    """Formats money (1e-18) with six decimals at most, rounded down."""
    return _point(units_text(units // 10 ** (MONEY_DECIMALS - USDC_DECIMALS), USDC_DECIMALS, 0))


def coins(units: int) -> str:
    """Formats a spot balance (1e-18) with eight decimals at most, rounded down."""
    return _point(units_text(units // 10**10, 8, 0))


def price_text(i: Instrument, price: int) -> str:
    return _point(units_text(price, i.price_decimals, 0))


def size_text(i: Instrument, size: int) -> str:
    return _point(units_text(size, i.size_decimals, 0))


def mean_text(i: Instrument, cost: int, size: int) -> str:
    """Returns an average price. cost: the sum of price * size; size: the sum of sizes."""
    mean = Decimal(cost) / size if size else Decimal(0)
    return _point(f"{round(mean.scaleb(-i.price_decimals), USDC_DECIMALS).normalize():f}")


def status_of(state: OrderState, order: SimOrder, code: int) -> str:
    match state:
        case OrderState.FILLED:
            return "filled"
        case OrderState.TRIGGERED:
            return "triggered"
        case OrderState.REJECTED:
            return "badAloPxRejected" if code == OrderWouldCross.code else "rejected"
        case OrderState.EXPIRED if not order.filled:
            return "marketOrderNoLiquidityRejected" if order.trigger else "iocCancelRejected"
        case OrderState.CANCELED | OrderState.EXPIRED:
            return _ENDS.get(code, "canceled")
        case _:
            return "open"


def order_row(i: Instrument, order: SimOrder, report: OrderReport | None = None) -> dict[str, Any]:
    """Returns the columns of an order that its channel has, now or at the time of a report."""
    filled = order.filled if report is None else report.filled
    row = {
        "coin": i.raw_symbol,
        "side": SIDE_WORDS[order.side],
        "limitPx": price_text(i, order.extra.get("limit", order.price)),
        "sz": size_text(i, max(order.size - filled, 0)),
        "oid": order.id,
        "timestamp": ms(order.created),
        "origSz": size_text(i, order.size),
    }
    if order.client_id:
        row["cloid"] = order.client_id
    return row | {"reduceOnly": True} if order.reduce_only else row


def front_row(i: Instrument, order: SimOrder) -> dict[str, Any]:
    """Returns all columns of an order."""
    is_limit, stop = order.type is OrderType.LIMIT, order.trigger
    words = (_TYPES[order.trigger_kind],) if stop else ()
    above = (order.trigger_kind is TriggerKind.STOP) == (order.side.sign > 0)
    tif = order.extra.get("tif") or ("Ioc" if order.tif is TimeInForce.IOC else "Gtc")
    return {
        **order_row(i, order),
        "reduceOnly": order.reduce_only,
        "triggerCondition": f"Price {'above' if above else 'below'} {price_text(i, stop)}" if stop else "N/A",
        "isTrigger": bool(stop) and order.state is not OrderState.TRIGGERED,
        "triggerPx": price_text(i, stop),
        "children": [],
        "isPositionTpsl": bool(order.extra.get("whole")),
        "orderType": " ".join((*words, "Limit" if is_limit else "Market")),
        "tif": None if stop else tif,
        "cloid": order.client_id or None,
    }

"""Formats numbers, orders and refusals like Binance USD-M.

Source: USD-M futures REST documentation, as of 2026-11. Answers to placing, amending and canceling have no avgPrice,
cumQuote and cumBase since 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from onetape._core import units_text
from onetape.exchange.account import SimOrder
from onetape.exchange.reports import OrderReport
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.model.time import MS
from onetape.venues.binance.errors import text_of

__all__ = [
    "Refused",
    "amount",
    "average_price",
    "ms",
    "number",
    "order_row",
    "order_type",
    "origin_of",
    "owed",
    "pair_fields",
    "position_side",
    "price_decimals",
    "price_text",
    "row_limit",
    "size_text",
    "status_of",
    "tif_word",
    "trail_of",
]

DECIMALS: Final = 8  # of money
STEP: Final = 10 ** (MONEY_DECIMALS - DECIMALS)


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request. values: filled into the text of the code. wait: seconds until such a request is accepted
    again, 0: unknown. data: details of the error in the answer."""

    data: dict[str, Any] | None = None

    def __init__(self, code: int, *values: object, status: int = 400, text: str = "", wait: int = 0) -> None:
        super().__init__(code)
        self.wait = wait
        self.code = code
        self.status = status
        self.text = text or text_of(code, *values)


def ms(time: int) -> int:
    return time // MS


def number(params: Mapping[str, str], name: str, usual: int) -> int:
    """Returns an integer parameter. usual: its default. Raises Refused."""
    text = params.get(name) or str(usual)
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise Refused(-1130, name)
    return int(text)


def row_limit(params: Mapping[str, str], usual: int, most: int) -> int:
    """Returns the requested number of rows. Raises Refused."""
    if not (wanted := number(params, "limit", usual)):
        raise Refused(-1130, "limit")
    return min(wanted, most)


def price_decimals(instrument: Instrument) -> int:
    """Returns the decimals of prices, at least two."""
    return max(instrument.price_decimals, 2)


def price_text(instrument: Instrument, price: int) -> str:
    decimals = instrument.price_decimals
    return units_text(price, decimals, decimals if decimals > 2 else 2)


def size_text(instrument: Instrument, size: int) -> str:
    decimals = instrument.size_decimals
    return units_text(size, decimals, decimals)


def amount(units: int, least: int = DECIMALS) -> str:
    """Returns an owned or received amount (1e-18) with at most eight decimals and at least `least`. Rounded towards
    less money: the shown amount is never more than there is."""
    return units_text(units // STEP, DECIMALS, least)


def owed(units: int) -> str:
    """Returns a fee or a required margin (1e-18), with eight decimals, rounded up."""
    return units_text(-(-units // STEP), DECIMALS, DECIMALS)


def average_price(instrument: Instrument, cost: int, filled: int) -> str:
    if not filled:
        return "0.00"
    exact = Decimal(cost) / Decimal(filled) / Decimal(10) ** instrument.price_decimals
    text = f"{exact:.8f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


def status_of(order: SimOrder, state: OrderState | None = None) -> str:
    """Returns Binance's word for an order's state. state: by default the present one."""
    state = state or order.state
    if state is not OrderState.CANCELED:
        return _STATUS[state]
    if order.trigger:  # the order had not been sent to the book yet
        return "CANCELED"
    if order.tif in _AT_ONCE or order.type is OrderType.MARKET or order.code == _REDUCE_ONLY:
        return "EXPIRED"
    return "EXPIRED_IN_MATCH" if order.code == _SELF_TRADE else "CANCELED"


_SELF_TRADE: Final = 4108
_REDUCE_ONLY: Final = 4106
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_STATUS: Final = {
    OrderState.INITIALIZED: "NEW",
    OrderState.ACCEPTED: "NEW",
    OrderState.TRIGGERED: "NEW",
    OrderState.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderState.FILLED: "FILLED",
    OrderState.REJECTED: "REJECTED",
    OrderState.EXPIRED: "EXPIRED",
}


def order_type(order: SimOrder) -> str:
    return "MARKET" if order.type is OrderType.MARKET else "LIMIT"


class Origin(NamedTuple):
    """The original terms of an order."""

    kind: str
    trigger: int
    closes: bool


def trail_of(order: SimOrder) -> tuple[int, str] | None:
    """Returns the activation price of a trailing stop (0: any) and its distance in percent; None: no trailing stop."""
    parent = order.extra.get("parent")
    if parent is None or not parent.callback:
        return None
    return parent.activate, f"{parent.callback / 100:g}"


def origin_of(order: SimOrder) -> Origin:
    """Returns the original terms of a conditional order: those of the order itself, or of the Algo Service's order that
    sent it."""
    extra = order.extra
    parent = extra.get("parent")
    if parent is not None:
        return Origin(parent.type, parent.trigger, parent.close_position)
    return Origin(extra.get("kind") or order_type(order), extra.get("stop", 0), extra.get("close", False))


def tif_word(order: SimOrder) -> str:
    if order.extra.get("hidden"):
        return "HIDDEN"
    return "GTX" if order.post_only else _TIF[order.tif]


def position_side(side: PositionSide) -> str:
    return _UPPER[side]


# A table, because every order needs them and an enumeration's `value` is slow.
_UPPER: Final[dict[str, str]] = {each: each.value.upper() for each in (*Side, *PositionSide)}
_TIF: Final[dict[str, str]] = {each: each.value for each in TimeInForce}


def order_row(
    instrument: Instrument,
    order: SimOrder,
    *,
    with_average: bool = False,
    as_new: bool = False,
    report: OrderReport | None = None,
) -> dict[str, Any]:
    """Returns an order in the form of REST answers. as_new: the acknowledgement, before matching."""
    filled, cost = (0, 0) if as_new else (report.filled, report.cost) if report else (order.filled, order.cost)
    extra = order.extra
    origin = origin_of(order)
    row: dict[str, Any] = {
        "orderId": order.id,
        "symbol": instrument.raw_symbol,
        "status": "NEW" if as_new else status_of(order),
        "clientOrderId": order.client_id,
        "price": price_text(instrument, order.price),
        "origQty": size_text(instrument, order.size),
        "executedQty": size_text(instrument, filled),
        "timeInForce": tif_word(order),
        "type": origin.kind if order.trigger else order_type(order),
        "reduceOnly": order.reduce_only,
        "closePosition": origin.closes,
        "side": _UPPER[order.side],
        "positionSide": _UPPER[order.position_side],
        "stopPrice": price_text(instrument, origin.trigger) if origin.trigger else "0.00",
        "workingType": "MARK_PRICE" if order.trigger_by is TriggerBy.MARK else "CONTRACT_PRICE",
        "priceProtect": extra.get("priceProtect", False),
        "origType": origin.kind,
        "priceMatch": extra.get("priceMatch", "NONE"),
        "selfTradePreventionMode": extra.get("stp", "EXPIRE_MAKER"),
        "goodTillDate": ms(order.expire),
        "updateTime": ms(order.updated),
    }
    if with_average:
        row["avgPrice"] = average_price(instrument, cost, filled)
        row["cumQuote"] = _quote(instrument, cost)
        row["time"] = ms(order.created)
    return row


def pair_fields(instrument: Instrument, order: SimOrder) -> dict[str, Any]:
    """Returns the additional fields of order lists since August 2026. The size of a linear contract is in its base."""
    return {"pair": instrument.raw_symbol, "cumBase": size_text(instrument, order.filled)}


def _quote(instrument: Instrument, cost: int) -> str:
    decimals = instrument.price_decimals + instrument.size_decimals
    return units_text(cost, decimals, 2)

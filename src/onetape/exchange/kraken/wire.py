"""Formats numbers, times, orders and trades like Kraken spot.

REST writes numbers as text with all decimals and times as seconds; WebSocket v2 writes JSON numbers with all
decimals (the checksum covers them) and RFC 3339 times. Sources: docs.kraken.com, "Spot REST" and "WebSocket v2", as
of 2026-11.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimFill, SimOrder, Trade
from onetape.exchange.kraken.names import identify, number_of
from onetape.model.enums import OrderState, Side
from onetape.model.errors import SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, divide_half_even
from onetape.venues.numbers import exact_json

__all__ = [
    "COST_DECIMALS",
    "Refused",
    "amend_id",
    "average",
    "cost_text",
    "cost_units",
    "describe",
    "fixed",
    "invalid",
    "money_text",
    "number",
    "order_id",
    "order_number",
    "order_row",
    "parse_json",
    "price_text",
    "rfc3339",
    "seconds",
    "size_text",
    "stamp",
    "status_of",
    "trade_id",
    "trade_number",
    "trade_row",
    "why",
]

COST_DECIMALS: Final = 5
MONEY_SHOWN: Final = 10


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request with an error text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def invalid(name: str) -> Refused:
    return Refused(f"EGeneral:Invalid arguments:{name}")


def fixed(units: int, decimals: int, shown: int) -> str:
    """Formats `units` of 10**-decimals with exactly `shown` decimals, rounded half to even."""
    if shown < decimals:
        units, decimals = divide_half_even(units, 10 ** (decimals - shown)), shown
    sign, units = ("-", -units) if units < 0 else ("", units)
    text = str(units * 10 ** (shown - decimals)).rjust(shown + 1, "0")
    return f"{sign}{text[:-shown]}.{text[-shown:]}" if shown else f"{sign}{text}"


def price_text(instrument: Instrument, price: int) -> str:
    return fixed(price, instrument.price_decimals, instrument.price_decimals)


def size_text(instrument: Instrument, size: int) -> str:
    return fixed(size, instrument.size_decimals, instrument.size_decimals)


def money_text(units: int, shown: int = MONEY_SHOWN) -> str:
    return fixed(units, MONEY_DECIMALS, shown)


def cost_units(instrument: Instrument, cost: int) -> int:
    """Returns a sum of price * size, both in units, as money in 1e-18."""
    scale: int = 10 ** (MONEY_DECIMALS - instrument.price_decimals - instrument.size_decimals)
    return cost * scale


def cost_text(instrument: Instrument, cost: int) -> str:
    return fixed(cost, instrument.price_decimals + instrument.size_decimals, COST_DECIMALS)


def average(instrument: Instrument, cost: int, filled: int) -> str:
    """Returns the average price, with one decimal more than prices have."""
    shown = instrument.price_decimals + 1
    if not filled:
        return fixed(0, 0, shown)
    return fixed(divide_half_even(cost * 10, filled), shown, shown)


def number(text: str) -> msgspec.Raw:
    """Returns a JSON number with exactly these digits: floats would lose zeros that checksums include."""
    return msgspec.Raw(text.encode())


def seconds(time: int) -> msgspec.Raw:
    return number(fixed(time, 9, 6))


def parse_json(text: str) -> Any:
    """Parses JSON with numbers as decimal text: floats would lose digits. Raises Refused."""
    try:
        return exact_json(text)
    except ValueError:
        raise Refused("EGeneral:Invalid arguments") from None


def stamp(time: int) -> str:
    """Returns a time without fractions, 2026-11-20T12:00:00Z."""
    return f"{rfc3339(time)[:19]}Z"


def rfc3339(time: int) -> str:
    stamp = datetime.fromtimestamp(time // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{time % 1_000_000_000 // 1000:06d}Z"


# --- ids ------------------------------------------------------------------------------------------


def order_id(order: SimOrder) -> str:
    return identify("O", order.id)


def order_number(text: str) -> int:
    return number_of("O", text)


_SOLD: Final = 1 << 74  # marks sales: above every other bit of the number; ledger ids are twice the number


def trade_number(order: SimOrder, fill: SimFill) -> int:
    """Returns a trade's number. In the matching engine both sides of a trade share one number; here each side has its
    own, because one account may have both: a triggered order may match an order of its own account."""
    number = (fill.trade_id << 16 | order.account.number) << 8 | order.index
    return number | _SOLD if order.side is Side.SELL else number


def trade_id(order: SimOrder, fill: SimFill) -> str:
    return identify("T", trade_number(order, fill))


def amend_id(order: SimOrder, count: int) -> str:
    return identify("T", (1 << 78) + (order.id << 16) + count)


# --- orders and trades ----------------------------------------------------------------------------

_STATUS: Final = {
    OrderState.INITIALIZED: "pending",
    OrderState.ACCEPTED: "open",
    OrderState.TRIGGERED: "open",
    OrderState.PARTIALLY_FILLED: "open",
    OrderState.FILLED: "closed",
    OrderState.CANCELED: "canceled",
    OrderState.REJECTED: "canceled",
    OrderState.EXPIRED: "expired",
}


def status_of(order: SimOrder) -> str:
    return _STATUS[order.state]


def why(order: SimOrder) -> str | None:
    """Returns why an order ended; None if it was filled, or gives no reason."""
    if order.state is OrderState.EXPIRED:
        return "Order expired"
    if order.state not in (OrderState.CANCELED, OrderState.REJECTED):
        return None
    if order.code == SelfTrade.code:
        return "Self trade prevention"
    return str(order.extra.get("why", "User requested"))


def describe(instrument: Instrument, pair: str, order: SimOrder) -> dict[str, str]:
    """Returns the `descr` of an order: the request in words and in fields."""
    kind = str(order.extra.get("ordertype", order.type.value))
    stop, limit = order.extra.get("stop", 0), order.price
    shown = price_text(instrument, limit) if limit else "0"
    price, price2 = (price_text(instrument, stop), shown) if stop else (shown, "0")
    words = {
        "market": "market",
        "limit": f"limit {price}",
        "stop-loss": f"stop loss {price}",
        "take-profit": f"take profit {price}",
        "stop-loss-limit": f"stop loss {price} -> limit {price2}",
        "take-profit-limit": f"take profit {price} -> limit {price2}",
    }[kind]
    side = order.side.value
    return {
        "pair": pair,
        "type": side,
        "ordertype": kind,
        "price": price,
        "price2": price2,
        "leverage": "none",
        "order": f"{side} {size_text(instrument, order.size)} {pair} @ {words}",
        "close": "",
    }


def order_row(instrument: Instrument, pair: str, order: SimOrder, trades: list[str] | None = None) -> dict[str, Any]:
    """Returns an order in the form of OpenOrders, ClosedOrders and QueryOrders."""
    extra = order.extra
    kind, stop = extra.get("ordertype", ""), extra.get("stop", 0)
    fee = order.fee_base if extra.get("fee_in_base") else order.fee
    row: dict[str, Any] = {
        "refid": None,
        "userref": extra.get("userref"),
        "status": status_of(order),
        "opentm": seconds(order.created),
        "starttm": 0,
        "expiretm": seconds(order.expire) if order.expire else 0,
        "descr": describe(instrument, pair, order),
        "vol": size_text(instrument, order.size),
        "vol_exec": size_text(instrument, order.filled),
        "cost": cost_text(instrument, order.cost),
        "fee": money_text(fee, 8 if extra.get("fee_in_base") else COST_DECIMALS),
        "price": average(instrument, order.cost, order.filled),
        "stopprice": price_text(instrument, stop) if stop else "0.00000",
        "limitprice": price_text(instrument, order.price) if stop and "limit" in kind else "0.00000",
        "misc": "stopped" if extra.get("triggered") else "",
        "oflags": ",".join(extra.get("oflags", ("fciq",))),
    }
    if order.client_id:
        row["cl_ord_id"] = order.client_id
    if stop:
        row["trigger"] = extra.get("reference", "last")
    if not order.is_open:
        row["closetm"] = seconds(order.updated)
        row["reason"] = why(order)
    if trades is not None:
        row["trades"] = trades
    return row


def trade_row(instrument: Instrument, pair: str, trade: Trade) -> dict[str, Any]:
    """Returns a fill in the form of TradesHistory and QueryTrades."""
    order, fill = trade
    in_base = order.extra.get("fee_in_base")
    return {
        "ordertxid": order_id(order),
        "pair": pair,
        "aclass": "forex",
        "time": seconds(fill.time),
        "type": "buy" if order.side is Side.BUY else "sell",
        "ordertype": order.extra.get("ordertype", order.type.value),
        "price": price_text(instrument, fill.price),
        "cost": cost_text(instrument, fill.price * fill.size),
        "fee": money_text(fill.fee, 8 if in_base else COST_DECIMALS),
        "vol": size_text(instrument, fill.size),
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": fill.trade_id,
        "maker": fill.is_maker,
        "ledgers": [],
    }

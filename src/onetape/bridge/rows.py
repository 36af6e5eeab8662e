"""Converts ccxt's structures to rows for the gateway: numbers are plain decimal text, or null.

ccxt gives floats: the shortest text that parses to the same float is the venue's, up to about 15 digits. Missing
values stay null; none are invented here.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

__all__ = ["Late", "Unwanted", "error_row", "market_row", "number", "order_row", "position_row", "trade_row"]

TEXT_MAX: Final = 300
UNSENT: Final = "Unsent"  # the connection could not be made: no byte of the request was sent
_QUERY: Final = re.compile(r"(https?://[^\s?]+)\?\S*")


class Late(Exception):  # noqa: N818 - a word of the protocol, not of an error's class
    """The request's deadline passed before it was signed: nothing was sent."""


class Unwanted(Exception):  # noqa: N818
    """A request that would pay others from the account: nothing was sent."""


def number(value: Any) -> str | None:
    """Returns a number without an exponent."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return format(found, "f") if found.is_finite() else None


def order_row(order: dict[str, Any]) -> dict[str, Any]:
    """Makes a row of ccxt's order structure."""
    filled = order.get("filled")
    if filled is None and order.get("amount") is not None and order.get("remaining") is not None:
        filled = Decimal(str(order["amount"])) - Decimal(str(order["remaining"]))
    return {
        "symbol": order.get("symbol"),
        "id": str(order.get("id") or ""),
        "client": str(order.get("clientOrderId") or ""),
        "status": order.get("status"),
        "side": order.get("side"),
        "type": order.get("type"),
        "tif": order.get("timeInForce"),
        "price": number(order.get("price")),
        "amount": number(order.get("amount")),
        "filled": number(filled),
        "trigger": number(order.get("triggerPrice") or order.get("stopPrice")),
        "reduce": bool(order.get("reduceOnly")),
    }


def trade_row(trade: dict[str, Any]) -> dict[str, Any]:
    """Makes a row of ccxt's trade structure, if it is one of ours. A trade without an id gets its content as its id:
    two equal trades then count as one, which shows as a difference of positions."""
    facts = [trade.get(each) for each in ("order", "timestamp", "side", "price", "amount")]
    fee = trade.get("fee") or next(iter(trade.get("fees") or ()), None) or {}
    return {
        "symbol": trade.get("symbol"),
        "id": str(trade.get("id") or facts),
        "order": str(trade.get("order") or ""),
        "side": trade.get("side"),
        "price": number(trade.get("price")),
        "amount": number(trade.get("amount")),
        "ms": trade.get("timestamp"),
        "fee": number(fee.get("cost")),
        "fee_currency": fee.get("currency"),
        "maker": trade.get("takerOrMaker") == "maker",
    }


def position_row(position: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbol": position.get("symbol"),
        "side": position.get("side"),
        "contracts": number(position.get("contracts")),
        "hedged": bool(position.get("hedged")),
    }


def market_row(market: dict[str, Any]) -> dict[str, Any]:
    """Makes a row of ccxt's market structure."""
    limits = market.get("limits") or {}
    amount, cost = limits.get("amount") or {}, limits.get("cost") or {}
    precision = market.get("precision") or {}
    return {
        "symbol": market["symbol"],
        "id": str(market["id"]),
        "active": market.get("active") is not False,
        "tick": number(precision.get("price")),
        "lot": number(precision.get("amount")),
        "size": number(market.get("contractSize")) if market.get("contract") else None,
        "min": number(amount.get("min")),
        "max": number(amount.get("max")),
        "cost": number(cost.get("min")),
        "maker": number(market.get("maker")),
        "taker": number(market.get("taker")),
        "option": bool(market.get("option")),
    }


def error_row(error: BaseException, secrets: tuple[str, ...]) -> dict[str, Any]:
    """Returns the error's class and base classes, and its text without queries and secrets."""
    text = _QUERY.sub(r"\1", " ".join(str(error).split()))
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    names = [each.__name__ for each in type(error).__mro__ if each is not object]
    if _never_connected(error):
        names.insert(0, UNSENT)
    return {"names": names, "text": text[:TEXT_MAX]}


def _never_connected(error: BaseException) -> bool:
    """Tells whether the error's cause is a failed connection, as recorded by ccxt."""
    cause = error.__cause__
    return cause is not None and any(each.__name__ == "ClientConnectorError" for each in type(cause).__mro__)

"""Purchases of an asset at Binance's spot market, for an account that trades USD-M futures: requests and answers.

Source: "Exchange information", "Symbol order book ticker", "New order", "Query order" and "Account trade list" of the
spot REST documentation, read 2026-11. Only the trades show the fee.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.model.decimals import decimal_text
from onetape.orders.reports import ConversionReport, ConversionTerms
from onetape.venues.numbers import money_of

__all__ = ["BOOK", "INFO", "ORDER", "TRADES", "order_terms", "read"]

INFO: Final = "/api/v3/exchangeInfo"
BOOK: Final = "/api/v3/ticker/bookTicker"
ORDER: Final = "/api/v3/order"
TRADES: Final = "/api/v3/myTrades"
_WORKS: Final = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW", "PENDING_CANCEL")


def order_terms(name: str, symbol: str, qty: Decimal, price: Decimal) -> dict[str, str]:
    """Returns the parameters of a limit order to buy that is executed at once or canceled (IOC)."""
    fixed = {"side": "BUY", "type": "LIMIT", "timeInForce": "IOC", "newOrderRespType": "ACK"}
    own = {"quantity": decimal_text(qty), "price": decimal_text(price), "newClientOrderId": name}
    return {"symbol": symbol, **fixed, **own}


def read(value: Any, asset: str) -> tuple[ConversionTerms | ConversionReport, ...]:
    """Reads any of these answers. Raises KeyError, TypeError, ValueError for a malformed one."""
    if isinstance(value, list):
        return tuple(
            ConversionReport(
                str(row["orderId"]),
                money_of(row["qty"]),
                money_of(row["quoteQty"]),
                money_of(row["commission"]) if row["commissionAsset"] == asset else 0,
            )
            for row in value
        )
    if "askPrice" in value:
        return (ConversionTerms(ask=Decimal(value["askPrice"])),)
    if "symbols" in value:
        (row,) = value["symbols"]
        filters = {each["filterType"]: each for each in row["filters"]}
        tick, lot = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
        return (ConversionTerms(tick=Decimal(tick), lot=Decimal(lot)),)
    if "status" not in value:  # accepted, without further details
        return ()
    bought, spent = money_of(value["executedQty"]), money_of(value["cummulativeQuoteQty"])
    return (ConversionReport(str(value["orderId"]), bought, spent, is_over=value["status"] not in _WORKS),)

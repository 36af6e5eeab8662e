"""Kraken's public channels except the book: ticker, trade, ohlc, instrument, status. Source: docs.kraken.com
"WebSocket v2, Market Data", as of 2026-11."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.public import candles
from onetape.exchange.kraken.wire import average, fixed, number, price_text, rfc3339, size_text
from onetape.exchange.listing import Listing
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text
from onetape.model.instrument import Instrument

__all__ = ["candle_row", "instrument_rows", "last_candles", "status_row", "ticker_row", "trade_row"]

CANDLES_SHOWN: Final = 100


def status_row(connection: int) -> dict[str, Any]:
    return {"api_version": "v2", "connection_id": connection, "system": "online", "version": "2.0.9"}


def ticker_row(listing: Listing, symbol: str, now: int) -> dict[str, Any]:
    i, day = listing.instrument, listing.day(now)
    change = listing.last - day.open
    percent = Decimal(change * 100) / Decimal(day.open) if day.open else Decimal(0)
    return {
        "symbol": symbol,
        "bid": number(price_text(i, listing.bid)),
        "bid_qty": number(size_text(i, listing.bid_size)),
        "ask": number(price_text(i, listing.ask)),
        "ask_qty": number(size_text(i, listing.ask_size)),
        "last": number(price_text(i, listing.last)),
        "volume": number(size_text(i, day.volume)),
        "vwap": number(average(i, day.turnover, day.volume)),
        "low": number(price_text(i, day.low)),
        "high": number(price_text(i, day.high)),
        "change": number(fixed(change, i.price_decimals, i.price_decimals)),
        "change_pct": number(f"{percent:.2f}"),
        "timestamp": rfc3339(now),
    }


def trade_row(instrument: Instrument, symbol: str, trade: TradeReport) -> dict[str, Any]:
    """Returns a trade's row. The taker's order type is not kept: all rows say `market`."""
    return {
        "symbol": symbol,
        "side": trade.side.value,
        "price": number(price_text(instrument, trade.price)),
        "qty": number(size_text(instrument, trade.size)),
        "ord_type": "market",
        "trade_id": trade.trade_id,
        "timestamp": rfc3339(trade.time),
    }


def last_candles(listing: Listing, minutes: int) -> list[BarReport]:
    return candles(listing, minutes)[-CANDLES_SHOWN:]


def candle_row(instrument: Instrument, symbol: str, candle: BarReport, minutes: int, now: int) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "open": number(price_text(instrument, candle.open)),
        "high": number(price_text(instrument, candle.high)),
        "low": number(price_text(instrument, candle.low)),
        "close": number(price_text(instrument, candle.close)),
        "trades": candle.trades,
        "volume": number(size_text(instrument, candle.volume)),
        "vwap": number(average(instrument, candle.turnover, candle.volume)),
        "interval_begin": f"{rfc3339(candle.open_time)[:19]}.000000000Z",
        "interval": minutes,
        "timestamp": rfc3339(min(candle.close_time, max(now, candle.open_time))),
    }


def instrument_rows(exchange: SimExchange, symbols: list[str]) -> dict[str, Any]:
    """Returns all assets and pairs, with JSON numbers."""
    assets = [
        {
            "id": name,
            "status": "enabled",
            "precision": 4 if name == "USD" else 10,
            "precision_display": 2 if name == "USD" else 5,
            "borrowable": False,
            "collateral_value": number("0.00"),
            "margin_rate": number("0.000000"),
            "class": "currency",
        }
        for name in exchange.currencies
    ]
    pairs = [
        {
            "symbol": symbols[at],
            "base": listing.instrument.base,
            "quote": listing.instrument.quote,
            "status": "online" if listing.is_open else "cancel_only",
            "qty_precision": listing.instrument.size_decimals,
            "qty_increment": number(decimal_text(listing.instrument.lot)),
            "price_precision": listing.instrument.price_decimals,
            "price_increment": number(decimal_text(listing.instrument.tick)),
            "cost_precision": 5,
            "cost_min": number(decimal_text(listing.instrument.notional_min)),
            "qty_min": number(decimal_text(listing.instrument.size_min)),
            "tick_size": number(decimal_text(listing.instrument.tick)),
            "marginable": False,
            "has_index": True,
        }
        for at, listing in enumerate(exchange.listings)
    ]
    return {"assets": assets, "pairs": pairs}

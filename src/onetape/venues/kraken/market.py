"""Kraken's spot market messages, WebSocket v2: channels `book`, `ticker`, `trade`, `ohlc`.

A message is {channel, type, data: [rows]}; prices and sizes are JSON numbers. A book is cut to the subscribed depth
after each message, and carries a CRC-32 over its ten best asks, then bids (core/text/checked_book.hpp). A snapshot of
trades has the trades before the subscription, and a ticker may lack a time. No message ends a candle: `ohlc` sends the
current candle with each trade, and a minute without trades has no candle. Source: docs.kraken.com, "WebSocket v2,
Book", "Book checksum v2", "Ticker", "Trade" and "OHLC", read 2026-11.

A live market subscribes to `ticker` with the trigger `bbo`, for the top of the book, to `trade`, and to `ohlc` of a
minute. Depth: depth.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.venues.kraken.market_v1 import unified
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["MARKET", "live_market", "name_of", "unified"]

_ROW: Final = {"symbol": "data.symbol", "time": "data.timestamp"}

MARKET: Final = Protocol(
    event_path="channel",
    answer_path="method",
    rows=("data",),
    level=("price", "qty"),
    checksum="digits",
    messages=(
        Message(
            kind="quote",
            event="ticker",
            roles={**_ROW, **top("data.bid", "data.bid_qty", "data.ask", "data.ask_qty")},
            required=("symbol", "bid", "bid_size", "ask", "ask_size"),
        ),
        Message(
            kind="trade",
            event="trade",
            roles={**_ROW, "price": "data.price", "size": "data.qty", "side": "data.side", "id": "data.trade_id"},
            required=("symbol", "time", "price", "size", "side"),
            only=("type", "update"),
        ),
        Message(
            kind="bar",
            event="ohlc",
            roles={
                "symbol": "data.symbol",
                "open_time": "data.interval_begin",
                "minutes": "data.interval",
                **{each: f"data.{each}" for each in ("open", "high", "low", "close", "volume", "trades")},
            },
            required=("symbol", "open_time", "minutes", "open", "high", "low", "close"),
            only=("type", "update"),
        ),
        Message(
            kind="checked_book",
            event="book",
            roles={**_ROW, "action": "type", "bids": "data.bids", "asks": "data.asks", "checksum": "data.checksum"},
            required=("symbol", "action", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="depth",
            name="subscribe",
            event="",
            roles={"symbol": "result.symbol", "depth": "result.depth"},
            required=("symbol", "depth"),
        ),
        Message(kind="refusal", name="refused", event="", roles={"error": "error"}, required=("error",)),
    ),
)


def name_of(instrument: Instrument) -> str:
    """Returns an instrument's name in the messages."""
    return f"{instrument.base}/{instrument.quote}"


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    named = [(name_of(i), i) for i in instruments]
    symbols = [name for name, _ in named]
    hello = tuple(
        msgspec.json.encode({"method": "subscribe", "params": {**params, "symbol": symbols}})
        for params in (
            {"channel": "ticker", "event_trigger": "bbo", "snapshot": True},
            {"channel": "trade", "snapshot": False},
            {"channel": "ohlc", "interval": 1, "snapshot": False},
        )
    )
    # A heartbeat is sent when no other message is. Each symbol of each channel is confirmed separately.
    stream = MarketStream(
        url, hello, most_s=1.0, confirmed_by=b'"method":"subscribe"', confirmations=len(hello) * len(symbols)
    )
    return LiveMarket(MARKET, named, [stream], numbers, bars=MINUTE)

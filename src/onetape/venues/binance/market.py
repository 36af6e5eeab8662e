"""Binance's market messages: its kinds of streams and the keys in them; and the connections of a live USD-M market.

One table serves spot, USD-M and COIN-M: their messages differ by the presence of keys (`pu` and `T` only in futures).
Source: Binance API documentation, "Web Socket Streams" of the three products, read 2026-11. Times are milliseconds, or
microseconds if a client requested these; prices and quantities are decimal strings.

Of USD-M, public data (top of the book) and market data (trades, marks) have two connections since 2026-04-23. Depth has
connections of its own: depth.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

# Channels that send all the best levels each time, in messages named like those of changes.
PARTIAL_DEPTH: Final = ("depth5", "depth10", "depth20")

# Quote currencies of spot and linear instruments; if two match, the longer one counts, so it comes first.
QUOTES: Final = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "BIDR", "BKRW", "IDRT", "USDS",
    "BTC", "ETH", "BNB", "EUR", "GBP", "AUD", "BRL", "TRY", "RUB", "UAH",
    "NGN", "ZAR", "DAI", "VAI", "XRP", "TRX", "DOGE", "USD",
)  # fmt: skip

_TIMES: Final = {"time": "T", "time_fallback": "E", "symbol": "s"}

MARKET: Final = Protocol(
    event_path="e",
    channel_path="stream",
    wrappers=("data",),
    depth_answer=("/depth", "symbol"),
    messages=(
        Message(
            kind="quote",
            event="bookTicker",
            roles={**_TIMES, **top("b", "B", "a", "A"), "last_id": "u"},
            required=("symbol", "bid", "bid_size", "ask", "ask_size"),
        ),
        Message(  # the message of spot has neither kind nor time
            kind="quote",
            name="bookTicker",
            event="",
            roles={**_TIMES, **top("b", "B", "a", "A"), "last_id": "u"},
            required=("symbol", "bid", "bid_size", "ask", "ask_size", "last_id"),
        ),
        Message(
            kind="trade",
            event="trade",
            roles={**_TIMES, "id": "t", "price": "p", "size": "q", "sell": "m"},
            required=("symbol", "price", "size", "sell"),
            only=("X", "MARKET"),  # futures: without trades of the insurance fund and ADL
        ),
        Message(
            kind="trade",
            event="aggTrade",
            roles={**_TIMES, "id": "a", "price": "p", "size": "q", "sell": "m"},
            required=("symbol", "price", "size", "sell"),
        ),
        Message(
            kind="snapshot",
            name="partial depth",
            event="depthUpdate",
            channels=PARTIAL_DEPTH,
            roles={**_TIMES, "last_id": "u", "bids": "b", "asks": "a"},
            required=("symbol", "last_id", "bids", "asks"),
        ),
        Message(
            kind="book",
            event="depthUpdate",
            roles={**_TIMES, "first_id": "U", "last_id": "u", "previous_id": "pu", "bids": "b", "asks": "a"},
            required=("symbol", "first_id", "last_id", "bids", "asks"),
        ),
        Message(  # the answer to GET depth, recorded between the messages; also partial depth of spot
            kind="snapshot",
            name="depth snapshot",
            event="",
            roles={
                "time": "T",
                "time_fallback": "E",
                "symbol": "symbol",
                "last_id": "lastUpdateId",
                "bids": "bids",
                "asks": "asks",
            },
            required=("last_id", "bids", "asks"),
        ),
        Message(
            kind="mark",
            event="markPriceUpdate",
            roles={"time": "E", "symbol": "s", "mark": "p", "index": "i", "rate": "r", "funding_time": "T"},
            required=("symbol", "mark"),
        ),
        Message(  # the answer to GET openInterest, recorded between the messages
            kind="open_interest",
            name="openInterest",
            event="",
            roles={"time": "time", "symbol": "symbol", "size": "openInterest"},
            required=("symbol", "size"),
        ),
        Message(
            kind="liquidation",
            event="forceOrder",
            roles={"time": "o.T", "time_fallback": "E", "symbol": "o.s", "price": "o.p", "size": "o.z", "side": "o.S"},
            required=("symbol", "price", "size", "side"),
        ),
        Message(
            kind="bar",
            event="kline",
            roles={
                "time": "E",
                "symbol": "s",
                "open_time": "k.t",
                "close_time": "k.T",
                "open": "k.o",
                "high": "k.h",
                "low": "k.l",
                "close": "k.c",
                "volume": "k.v",
                "turnover": "k.q",
                "trades": "k.n",
                "closed": "k.x",
            },
            required=("symbol", "open_time", "close_time", "open", "high", "low", "close"),
        ),
    ),
)


def unified(raw: str, kind: Kind) -> str:
    """Returns the unified name of an instrument that is in no catalogue, "" if its raw name is ambiguous. Raw names
    have no separator: the quote is the longest known currency with which the name ends.
    """
    name, _, rest = raw.partition("_")
    quotes = ("USD",) if kind is Kind.INVERSE else QUOTES
    quote = next((q for q in quotes if name.endswith(q) and len(name) > len(q)), "")
    if not quote or (kind is Kind.SPOT and rest):
        return ""
    base = name[: -len(quote)]
    if kind is Kind.SPOT:
        return f"{base}/{quote}"
    settle = base if kind is Kind.INVERSE else quote
    expiry = f"-{rest}" if rest.isdigit() else ""
    return f"{base}/{quote}:{settle}{expiry}"


def live_market(
    instruments: Sequence[Instrument],
    address: str = "",
    numbers: Sequence[int] = (),
    ways: Sequence[str] = ("/public", "/market"),
) -> LiveMarket:
    """Returns a market with one connection for each of `ways`, the prefixes of the paths. Marks come each second,
    one-minute bars when they have ended."""
    low = [i.raw_symbol.lower() for i in instruments]
    public = "/".join(f"{raw}@bookTicker" for raw in low)
    market = "/".join(f"{raw}@aggTrade/{raw}@markPrice@1s/{raw}@kline_1m" for raw in low)
    streams = [
        MarketStream(f"{address}{ways[0]}/ws/{public}"),
        MarketStream(f"{address}{ways[1]}/ws/{market}", most_s=1.0),
    ]
    return LiveMarket(MARKET, ((i.raw_symbol, i) for i in instruments), streams, numbers, bars=MINUTE)

"""Bybit's market messages, v5 of the public streams: `orderbook.N`, `publicTrade`, `tickers`, `kline`; and a live
market of linear contracts.

Prices and sizes are decimal strings, size 0 removes a level. An order book comes as a snapshot, then as deltas whose
update id `u` increases by one; a later snapshot (`u` 1 after a restart of the venue's service) begins again. Depth 1 is
sent as snapshots only. A derivative's ticker delta has only the changed fields. A block trade was agreed off the book,
at its own price. Spot, linear and inverse have separate addresses, where the same name means different instruments.
Source: Bybit API documentation v5, "WebSocket Stream, Public: Orderbook, Trade, Ticker, Kline", read 2026-11. Times are
milliseconds.

The best prices of a live market come from `orderbook.1`, each ten milliseconds at most and after three seconds without
a change; its tickers have the marks. The venue ends a connection without a client's message, so `PING` is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from onetape import _core
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.venues.depth import TableDepth
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["MARKET", "PING", "BybitDepth", "hello_of", "live_market", "unified"]

PING: Final = b'{"op":"ping"}'
ARGS_MAX: Final = 200  # topics per request, well below the limit of 21,000 characters
PATH: Final = "/v5/public/linear"
DEPTH: Final = "orderbook.200"  # the deepest with changes each 100 ms

_SPOT_QUOTES: Final = ("USDT", "USDC", "USDE", "USD1", "EUR", "BRL", "BTC", "ETH", "DAI")

MARKET: Final = Protocol(
    event_path="topic",
    separator=".",
    answer_path="op",
    rows=("data",),
    messages=(
        Message(
            kind="checked_book",
            event="orderbook",
            roles={
                "symbol": "data.s",
                "time": "ts",
                "action": "type",
                "last_id": "data.u",
                "bids": "data.b",
                "asks": "data.a",
            },
            required=("symbol", "time", "action", "last_id", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="trade",
            event="publicTrade",
            roles={
                "symbol": "data.s",
                "time": "data.T",
                "price": "data.p",
                "size": "data.v",
                "side": "data.S",
                "id": "data.i",
            },
            required=("symbol", "time", "price", "size", "side", "id"),
            only=("data.BT", "false"),
        ),
        Message(
            kind="quote",
            event="tickers",
            roles={
                "symbol": "data.symbol",
                "time": "ts",
                "action": "type",
                **top("data.bid1Price", "data.bid1Size", "data.ask1Price", "data.ask1Size"),
            },
            required=("symbol", "time", "action"),
            whole="snapshot",
        ),
    ),
)


_KLINE: Final = {
    "time": "data.timestamp",
    "open_time": "data.start",
    "close_time": "data.end",
    "open": "data.open",
    "high": "data.high",
    "low": "data.low",
    "close": "data.close",
    "volume": "data.volume",
    "turnover": "data.turnover",
    "closed": "data.confirm",
}
_LIVE: Final = replace(
    MARKET,
    messages=(
        Message(
            kind="quote",
            event="orderbook",
            roles={
                "symbol": "data.s",
                "time": "cts",
                "last_id": "data.u",
                **top("data.b.0.0", "data.b.0.1", "data.a.0.0", "data.a.0.1"),
            },
            required=("symbol", "time"),
        ),
        MARKET.messages[1],
        Message(
            kind="mark",
            event="tickers",
            roles={
                "symbol": "data.symbol",
                "time": "ts",
                "mark": "data.markPrice",
                "index": "data.indexPrice",
                "rate": "data.fundingRate",
                "funding_time": "data.nextFundingTime",
            },
            required=("symbol", "time", "mark"),
        ),
        # A change of a ticker without its mark is passed over.
        Message(
            kind="mark",
            event="tickers",
            roles={"symbol": "data.symbol", "time": "ts"},
            required=("symbol",),
            only=("type", "snapshot"),
        ),
        Message(kind="bar", event="kline", roles=_KLINE, required=tuple(_KLINE)[1:7]),
    ),
)


def unified(raw: str, kind: Kind) -> str:
    """Returns the unified name of an instrument that is in no catalogue, "" if its raw name is ambiguous: dated
    contracts need a catalogue."""
    if kind is Kind.INVERSE:
        base = raw.removesuffix("USD")
        return f"{base}/USD:{base}" if base != raw and base.isalnum() else ""
    if kind is Kind.LINEAR:
        if raw.endswith("PERP") and raw[:-4].isalnum():
            return f"{raw[:-4]}/USDC:USDC"
        return next(
            (
                f"{raw.removesuffix(quote)}/{quote}:{quote}"
                for quote in ("USDT", "USDC")
                if raw.endswith(quote) and raw[: -len(quote)].isalnum()
            ),
            "",
        )
    return next(
        (
            f"{raw.removesuffix(quote)}/{quote}"
            for quote in _SPOT_QUOTES
            if raw.endswith(quote) and raw[: -len(quote)].isalnum()
        ),
        "",
    )


def hello_of(*topics: str) -> tuple[bytes, ...]:
    """Returns the messages that subscribe to topics."""
    parts = [topics[at : at + ARGS_MAX] for at in range(0, len(topics), ARGS_MAX)]
    return tuple(msgspec.json.encode({"op": "subscribe", "args": part}) for part in parts)


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    raws = [i.raw_symbol for i in instruments]
    hello = hello_of(
        *(f"{name}.{raw}" for name in ("orderbook.1", "publicTrade", "tickers", "kline.1") for raw in raws)
    )
    # A book without a change is repeated after three seconds.
    stream = MarketStream(
        url + PATH, hello, most_s=3.0, ping=PING, confirmed_by=b'"op":"subscribe"', confirmations=len(hello)
    )
    return LiveMarket(_LIVE, zip(raws, instruments, strict=True), [stream], numbers, bars=MINUTE)


class BybitDepth(TableDepth):
    """Implements `DepthStream`."""

    ping = PING

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = url + PATH
        self.hello = hello_of(f"{DEPTH}.{instrument.raw_symbol}")

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        was_synced = self.book.synced
        self.read(message, received, writer)
        if was_synced and not self.book.synced and not self.broken:
            self.broken = "a change of the book is missing"  # another connection begins with a snapshot

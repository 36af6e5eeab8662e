"""Bybit's market messages, v5 of the public streams: `orderbook.N`, `publicTrade`, `tickers`, `kline`; and a live
market, with a connection for each category.

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
from onetape.venues.bybit.words import CATEGORIES
from onetape.venues.depth import TableDepth
from onetape.venues.live_market import JointMarket, LiveMarket, Market, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["MARKET", "PING", "BybitDepth", "hello_of", "live_market", "unified"]

PING: Final = b'{"op":"ping"}'
ARGS_MAX: Final = 200  # topics per request, well below the limit of 21,000 characters
SPOT_ARGS_MAX: Final = 10
PATH: Final = "/v5/public/"
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

_IN_COIN: Final = {role: path for role, path in _KLINE.items() if role != "turnover"}  # it is an amount of the coin
_INVERSE: Final = replace(
    _LIVE, messages=(*_LIVE.messages[:-1], replace(_LIVE.messages[-1], roles=_IN_COIN, required=tuple(_IN_COIN)[1:7]))
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


def hello_of(*topics: str, most: int = ARGS_MAX) -> tuple[bytes, ...]:
    """Returns the messages that subscribe to topics. most: topics of a message."""
    parts = [topics[at : at + most] for at in range(0, len(topics), most)]
    return tuple(msgspec.json.encode({"op": "subscribe", "args": part}) for part in parts)


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> Market:
    numbered: dict[Kind, list[tuple[int, Instrument]]] = {}
    for number, i in zip(numbers or range(1, len(instruments) + 1), instruments, strict=True):
        numbered.setdefault(i.kind, []).append((number, i))
    parts = [(_live(kind, rows, url), [number for number, _ in rows]) for kind, rows in numbered.items()]
    return parts[0][0] if len(parts) == 1 else JointMarket(parts)


def _live(kind: Kind, numbered: Sequence[tuple[int, Instrument]], url: str) -> LiveMarket:
    """Returns the market of one category."""
    is_spot, rows = kind is Kind.SPOT, [(i.raw_symbol, i) for _, i in numbered]
    names = ("orderbook.1", "publicTrade", "kline.1", *(() if is_spot else ("tickers",)))  # spot has no marks
    topics = [f"{name}.{raw}" for name in names for raw, _ in rows]
    hello = hello_of(*topics, most=SPOT_ARGS_MAX if is_spot else ARGS_MAX)
    # A book without a change is repeated after three seconds.
    about = MarketStream(url + PATH + CATEGORIES[kind], hello, most_s=3.0, ping=PING)
    stream = about._replace(confirmed_by=b'"op":"subscribe"', confirmations=len(hello))
    return LiveMarket(
        _INVERSE if kind is Kind.INVERSE else _LIVE, rows, [stream], [number for number, _ in numbered], bars=MINUTE
    )


class BybitDepth(TableDepth):
    """Implements `DepthStream`."""

    ping = PING

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = url + PATH + CATEGORIES[instrument.kind]
        self.hello = hello_of(f"{DEPTH}.{instrument.raw_symbol}")

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        was_synced = self.book.synced
        self.read(message, received, writer)
        if was_synced and not self.book.synced and not self.broken:
            self.broken = "a change of the book is missing"  # another connection begins with a snapshot

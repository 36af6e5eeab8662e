"""Hyperliquid's market messages: `bbo`, `trades`, `activeAssetCtx`, `candle`, `l2Book`; and a live market of them.

A message is {channel, data}; data is one object, or a list of rows. Prices and sizes are decimals as text, times are
milliseconds. A book is sent whole, 20 levels of each side. A candle is sent with each trade of its period, without a
final message; its end is its last millisecond. A context (mark, oracle, funding) has no time; those of spot pairs are
not followed. Source:
hyperliquid.gitbook.io "Websocket, Subscriptions", "Timeouts and heartbeats", as of 2026-10.

The venue ends a connection to which it has sent nothing for a minute, so `PING` is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from onetape import _core
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.venues.columns import columns
from onetape.venues.depth import TableDepth
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["GREETING", "MARKET", "PING", "HyperliquidDepth", "hello_of", "live_market", "unified"]

PING: Final = b'{"method":"ping"}'
GREETING: Final = b"Websocket connection established."  # which some connections begin with
_CANDLE: Final = "symbol:data.s open_time:data.t close_time:data.T open:data.o high:data.h low:data.l close:data.c"
MARKET: Final = Protocol(
    event_path="channel",
    rows=("data",),
    level=("px", "sz"),
    messages=(
        Message(
            kind="quote",
            event="bbo",
            roles=columns("time:data.time symbol:data.coin")
            | top("data.bbo.0.px", "data.bbo.0.sz", "data.bbo.1.px", "data.bbo.1.sz"),
            required=("symbol", "time"),
        ),
        Message(
            kind="trade",
            event="trades",
            roles=columns("time:data.time symbol:data.coin id:data.tid price:data.px size:data.sz side:data.side"),
            required=("symbol", "time", "price", "size", "side"),
        ),
        Message(
            kind="mark",
            event="activeAssetCtx",
            roles=columns("symbol:data.coin mark:data.ctx.markPx index:data.ctx.oraclePx rate:data.ctx.funding"),
            required=("symbol", "mark"),
        ),
        Message(
            kind="bar",
            event="candle",
            roles=columns(f"{_CANDLE} volume:data.v trades:data.n"),
            required=tuple(columns(_CANDLE)),
        ),
        Message(
            kind="checked_book",
            event="l2Book",
            roles=columns("time:data.time symbol:data.coin bids:data.levels.0 asks:data.levels.1"),
            required=("symbol", "time", "bids", "asks"),
            whole="snapshot",
        ),
    ),
)


def unified(raw: str, kind: object) -> str:
    """Returns the unified name of an instrument that is in no catalogue, "" for other names."""
    del kind
    return f"{raw}/USDC:USDC" if raw.isalnum() else raw if raw.replace("/", "", 1).isalnum() else ""


def hello_of(*subscriptions: Mapping[str, object]) -> tuple[bytes, ...]:
    return tuple(msgspec.json.encode({"method": "subscribe", "subscription": each}) for each in subscriptions)


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    raws = [i.raw_symbol for i in instruments]
    contracts = [i.raw_symbol for i in instruments if i.kind is not Kind.SPOT]
    hello = hello_of(
        *({"type": name, "coin": raw} for name in ("bbo", "trades") for raw in raws),
        *({"type": "activeAssetCtx", "coin": raw} for raw in contracts),
        *({"type": "candle", "coin": raw, "interval": "1m"} for raw in raws),
    )
    stream = MarketStream(
        url,
        hello,
        most_s=10.0 if contracts else 0.0,  # contexts come every few seconds at least
        ping=PING,
        confirmed_by=b'"channel":"subscriptionResponse"',
        confirmations=len(hello),
    )
    return LiveMarket(MARKET, zip(raws, instruments, strict=True), [stream], numbers, bars=MINUTE)


class HyperliquidDepth(TableDepth):
    """Implements `DepthStream`, with unaggregated levels."""

    ping = PING

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = url
        self.hello = hello_of({"type": "l2Book", "coin": instrument.raw_symbol})

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        if message != GREETING:
            self.read(message, received, writer)

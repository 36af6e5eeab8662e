"""Pacifica's market messages: `bbo`, `trades`, `prices`, `candle`, `book`; and a live market of them.

A message is {channel, data}; data is one object, or a list of rows. Prices and sizes are decimals as text, times are
milliseconds. A book is sent whole, four times a second. A candle is sent with each trade of its period, without a final
message; its end is the first millisecond of the next one. `prices` has all markets in each message. A trade gives the
taker's side as open or close, long or short. Source: docs.pacifica.fi "Websocket, Subscriptions", as of 2026-07.

The venue ends a connection after a minute without a client message, so `PING` is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.venues.columns import columns
from onetape.venues.depth import TableDepth
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["MARKET", "PING", "PacificaDepth", "hello_of", "live_market", "unified"]

PING: Final = b'{"method":"ping"}'
_CANDLE: Final = "symbol:data.s open_time:data.t close_time:data.T open:data.o high:data.h low:data.l close:data.c"
MARKET: Final = Protocol(
    event_path="channel",
    answer_path="method",
    rows=("data",),
    level=("p", "a"),
    messages=(
        Message(
            kind="quote",
            event="bbo",
            roles=columns("time:data.t symbol:data.s last_id:data.li") | top("data.b", "data.B", "data.a", "data.A"),
            required=("symbol", "time", "bid", "bid_size", "ask", "ask_size"),
        ),
        Message(
            kind="trade",
            event="trades",
            roles=columns("time:data.t symbol:data.s id:data.h price:data.p size:data.a side:data.d"),
            required=("symbol", "time", "price", "size", "side"),
        ),
        Message(
            kind="mark",
            event="prices",
            roles=columns(
                "time:data.timestamp symbol:data.symbol mark:data.mark index:data.oracle rate:data.next_funding"
            ),
            required=("symbol", "time", "mark"),
        ),
        Message(
            kind="bar",
            event="candle",
            roles=columns(f"{_CANDLE} volume:data.v trades:data.n"),
            required=tuple(columns(_CANDLE)),
        ),
        Message(
            kind="checked_book",
            event="book",
            roles=columns("time:data.t symbol:data.s last_id:data.li bids:data.l.0 asks:data.l.1"),
            required=("symbol", "time", "bids", "asks"),
            whole="snapshot",
        ),
    ),
)


def unified(raw: str, kind: object) -> str:
    """Returns the unified name of a perpetual that is in no catalogue, "" for other names."""
    del kind
    return f"{raw}/USDC:USDC" if raw.isalnum() else ""


def hello_of(*subscriptions: Mapping[str, object]) -> tuple[bytes, ...]:
    return tuple(msgspec.json.encode({"method": "subscribe", "params": each}) for each in subscriptions)


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    raws = [i.raw_symbol for i in instruments]
    hello = hello_of(
        {"source": "prices"},
        *({"source": source, "symbol": raw} for source in ("bbo", "trades") for raw in raws),
        *({"source": "candle", "symbol": raw, "interval": "1m"} for raw in raws),
    )
    # Marks come every few seconds at least.
    stream = MarketStream(
        url, hello, most_s=10.0, ping=PING, confirmed_by=b'"channel":"subscribe"', confirmations=len(hello)
    )
    return LiveMarket(MARKET, zip(raws, instruments, strict=True), [stream], numbers, bars=MINUTE)


class PacificaDepth(TableDepth):
    """Implements `DepthStream`, with unaggregated levels."""

    ping = PING

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = url
        self.hello = hello_of({"source": "book", "symbol": instrument.raw_symbol, "agg_level": 1})
        self.take = self.read

"""OKX's market messages, v5 of the public streams: channels `books`, `bbo-tbt`, `tickers`, `trades`, `mark-price`,
`funding-rate`; and a live market.

Every message of `books` names the previous message (`prevSeqId`, -1 before the first), in older captures it does not.
Until 2026-06 it carried a CRC-32 over the best 25 levels of both sides, alternating (bid, ask, bid, ...) and in the
venue's notation; since then the checksum is 0. `books5` and `bbo-tbt` are snapshots only. Source: OKX API v5
documentation, "WebSocket / Order book channel" and its change log, read 2026-11. Times are milliseconds; prices and
sizes are decimal strings, sizes of contracts.

The venue ends a connection on which nothing came for thirty seconds; mark prices come more often. `PING` and `PONG` are
text, not JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.venues.depth import TableDepth
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.okx.words import FUTURES, SPOT, SWAP, type_of
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["MARKET", "PING", "PONG", "OkxDepth", "live_market", "subscribing", "unified"]

PING: Final = b"ping"
PONG: Final = b"pong"
PUBLIC: Final = "/ws/v5/public"
ARGS_MAX: Final = 400  # a request has at most 64 KB

_ROW: Final = {"symbol": "arg.instId", "time": "data.ts"}
_BOOK: Final = {**_ROW, "bids": "data.bids", "asks": "data.asks", "last_id": "data.seqId"}

MARKET: Final = Protocol(
    event_path="arg.channel",
    answer_path="event",
    rows=("data",),
    checksum="turns",
    messages=(
        *(
            Message(
                kind="checked_book",
                event=event,
                roles={**_BOOK, "action": "action", "previous_id": "data.prevSeqId", "checksum": "data.checksum"},
                required=("symbol", "time", "action", "bids", "asks"),
                whole="snapshot",
            )
            for event in ("books", "books-l2-tbt", "books50-l2-tbt")
        ),
        Message(
            kind="checked_book",
            event="books5",
            roles=_BOOK,
            required=("symbol", "time", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="trade",
            event="trades",
            roles={**_ROW, "price": "data.px", "size": "data.sz", "side": "data.side", "id": "data.tradeId"},
            required=("symbol", "time", "price", "size", "side", "id"),
        ),
        Message(
            kind="quote",
            event="tickers",
            roles={**_ROW, **top("data.bidPx", "data.bidSz", "data.askPx", "data.askSz")},
            required=("symbol", "time"),
        ),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name: `BTC-USDT` is spot, `-SWAP` perpetual, `-220527` dated; a USD quote is inverse."""
    parts = raw.split("-")
    if not 2 <= len(parts) <= 3 or not all(parts):
        return ""
    base, quote = parts[:2]
    if len(parts) == 2:
        return f"{base}/{quote}"
    settle = base if quote == "USD" else quote
    if parts[2] == "SWAP":
        return f"{base}/{quote}:{settle}"
    return f"{base}/{quote}:{settle}-{parts[2]}" if parts[2].isdigit() else ""


_LIVE: Final = Protocol(
    event_path="arg.channel",
    answer_path="event",
    rows=("data",),
    messages=(
        Message(
            kind="quote",
            event="bbo-tbt",
            roles={
                **_ROW,
                "last_id": "data.seqId",
                **top("data.bids.0.0", "data.bids.0.1", "data.asks.0.0", "data.asks.0.1"),
            },
            required=("symbol", "time"),
        ),
        next(each for each in MARKET.messages if each.event == "trades"),
        Message(
            kind="mark", event="mark-price", roles={**_ROW, "mark": "data.markPx"}, required=("symbol", "time", "mark")
        ),
        Message(
            kind="mark",
            event="funding-rate",
            roles={**_ROW, "rate": "data.fundingRate", "funding_time": "data.fundingTime"},
            required=("symbol", "rate"),
        ),
    ),
)


# Channels that a type of instrument does not have.
_LACKS: Final = {SPOT: ("mark-price", "funding-rate"), FUTURES: ("funding-rate",), SWAP: ()}


def subscribing(channels: Sequence[Mapping[str, str]]) -> tuple[bytes, ...]:
    """Returns the messages that subscribe to channels."""
    parts = [channels[at : at + ARGS_MAX] for at in range(0, len(channels), ARGS_MAX)]
    return tuple(msgspec.json.encode({"op": "subscribe", "args": part}) for part in parts)


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    """Subscribes to the channels that each type of instrument has. Mark prices come each ten seconds at least; without
    contracts a connection may be quiet, and is kept by pings."""
    names = [(each.event, i) for each in _LIVE.messages for i in instruments]
    named = [{"channel": name, "instId": i.raw_symbol} for name, i in names if name not in _LACKS[type_of(i)]]
    has_marks = any(each["channel"] == "mark-price" for each in named)
    stream = MarketStream(
        url + PUBLIC,
        subscribing(named),
        most_s=10.0 if has_marks else 0.0,
        ping=b"" if has_marks else PING,
        confirmed_by=b'"event":"subscribe"',
        confirmations=len(named),
    )
    market = LiveMarket if has_marks else _Quiet
    return market(_LIVE, ((i.raw_symbol, i) for i in instruments), [stream], numbers)


class _Quiet(LiveMarket):
    """A market whose connection is kept by pings."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        take = self.take
        self.take = lambda message, received, writer: 0 if message == PONG else take(message, received, writer)


class OkxDepth(TableDepth):
    """Implements `DepthStream`."""

    ping = PING

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = url + PUBLIC
        self.hello = subscribing([{"channel": "books", "instId": instrument.raw_symbol}])

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        if message == PONG:
            return
        was_synced = self.book.synced
        self.read(message, received, writer)
        if was_synced and not self.book.synced and not self.broken:
            self.broken = "a change of the book is missing"  # another connection begins with a snapshot

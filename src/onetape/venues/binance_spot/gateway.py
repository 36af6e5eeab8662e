"""Binance spot for a gateway: the account's events and orders over the WebSocket API, market data by streams.

The account's stream is a subscription on the WebSocket API that is signed by itself; listen keys ended on 2026-02-20.
It has no snapshot. The venue ends it with `eventStreamTerminated`, and a connection with `serverShutdown`: then another
connection is made. Source: "User Data Streams", "WebSocket API" and "Web Socket Streams" of the spot documentation, as
of 2026-07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.binance.depth import BinanceDepth
from onetape.venues.binance.instruments import order_rules_of
from onetape.venues.binance.market import MARKET
from onetape.venues.binance.order_session import BinanceOrderSession
from onetape.venues.binance.past import BinancePast
from onetape.venues.binance.polls import BinancePolls
from onetape.venues.binance_spot.family import SPOT
from onetape.venues.binance_spot.instruments import instruments_of
from onetape.venues.binance_spot.trading import METHODS, BinanceSpotProtocol
from onetape.venues.contract import Addresses, VenueDefaults
from onetape.venues.live_market import LiveMarket, MarketStream

__all__ = ["BinanceSpotVenue"]

PATH: Final = "/ws-api/v3"
_ENDS: Final = ("eventStreamTerminated", "serverShutdown")


class _AccountStream(ChannelStream):
    """An `AccountStream` that is live once the subscription is confirmed."""

    def __init__(self, protocol: BinanceSpotProtocol, url: str, time: str) -> None:
        super().__init__(protocol, url, (protocol.subscription(time),), waits_for=("subscription",))

    def confirms(self, value: dict[str, Any]) -> bool:
        if "status" in value:
            if value["status"] == 200:
                self._waiting.clear()
            else:
                self.broken = f"not subscribed: {value.get('error')}"[:120]
            return True
        event = value.get("event", value).get("e")
        if event in _ENDS:
            self.broken = event
        return event in _ENDS


class BinanceSpotVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: BinanceSpotProtocol
    clock_step: Final = 1_000_000
    budget = (SPOT.public.weights,)
    wallet_budget = SPOT.wallet_side.budget
    connects: Final = BudgetRule(5 * MINUTE, 300, "")
    probe_s: Final = 2.0  # weight 20 of 6000 a minute
    order_limit_code = "-1015"
    symbols_max: Final = 100  # 1024 streams would be allowed, three per instrument; but proxies refuse long addresses

    def __init__(self, key: str, secret: str, addresses: Addresses) -> None:
        self.protocol = BinanceSpotProtocol(key, secret)
        self.past = BinancePast(SPOT.public)
        self.polls = BinancePolls(SPOT.public)
        self._addresses = addresses

    def instruments(self) -> Call:
        return Call(Purpose.INSTRUMENTS, "GET", f"{SPOT.public.root}/exchangeInfo", b"", {}, 20)

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        answer = read_json(body)
        found = instruments_of(answer, wanted)
        self.order_rules = order_rules_of(answer)
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        low = (i.raw_symbol.lower() for i in instruments)
        names = "/".join(f"{raw}@bookTicker/{raw}@aggTrade/{raw}@kline_1m" for raw in low)
        streams = [MarketStream(f"{self._addresses.ws}/ws/{names}")]
        return LiveMarket(MARKET, ((i.raw_symbol, i) for i in instruments), streams, numbers, bars=MINUTE)

    def depth(self, instrument: Instrument, stream: int) -> BinanceDepth:
        return BinanceDepth(instrument, stream, self._addresses.ws, SPOT.public)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.stream_key(now)

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, f"{self._addresses.ws_private}{PATH}", key)

    @property
    def entry_url(self) -> str:
        return self._addresses.ws_entry or f"{self._addresses.ws_private}{PATH}"

    def entry_dialect(self, key: str) -> BinanceOrderSession:
        return BinanceOrderSession(self.protocol, METHODS)

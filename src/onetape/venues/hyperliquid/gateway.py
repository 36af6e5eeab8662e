"""Hyperliquid for a gateway: account channels without a key, requests with an agent's key.

Source: hyperliquid.gitbook.io "Websocket", "Rate limits and user limits", as of 2026-10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.contract import Addresses, MarkPrices, VenueDefaults
from onetape.venues.hyperliquid.instruments import instruments_of
from onetape.venues.hyperliquid.market import PING, HyperliquidDepth, hello_of, live_market
from onetape.venues.hyperliquid.order_session import HyperliquidOrderSession
from onetape.venues.hyperliquid.past import HyperliquidPast
from onetape.venues.hyperliquid.polls import HyperliquidPolls
from onetape.venues.hyperliquid.trading import (
    CHANNELS,
    CLOCK_STEP,
    LISTS,
    SPOT_STATES,
    STATES,
    HyperliquidProtocol,
    info,
)
from onetape.venues.live_market import LiveMarket

__all__ = ["HyperliquidVenue"]


class _AccountStream(ChannelStream):
    """An `AccountStream` that is live once its channels are confirmed, the account's state has come, and the account's
    abstraction, which it requests. What happened before is read by REST."""

    ping = PING
    _protocol: HyperliquidProtocol

    def __init__(self, protocol: HyperliquidProtocol, url: str) -> None:
        hello = hello_of(*({"type": each, "user": protocol.account} for each in CHANNELS))
        query = {"type": "info", "payload": msgspec.Raw(protocol.modes(0).body)}
        request = msgspec.json.encode({"method": "post", "id": 1, "request": query})
        super().__init__(protocol, url, (request, *hello), waits_for=(*CHANNELS, "state", "abstraction"))

    def confirms(self, value: Any) -> bool:
        match value.get("channel"):
            case "subscriptionResponse":
                self._waiting.discard(str(value["data"]["subscription"]["type"]))
                return True
            case "post":
                self._protocol.note_abstraction(value["data"]["response"]["payload"]["data"])
                self._waiting.discard("abstraction")
                return True
            case "clearinghouseState":
                self._waiting.discard("state")
            case "error":
                self.broken = str(value["data"])[:120]
                return True
        return False


class HyperliquidVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: HyperliquidProtocol
    clock_step: Final = CLOCK_STEP
    budget = (BudgetRule(60 * SECOND, 1200, "", rolls=True),)
    connects: Final = BudgetRule(60 * SECOND, 30, "")
    symbols_max: Final = 100  # four subscriptions for each, of a thousand per address
    probe_s: Final = 4.0

    def __init__(self, key: str, secret: str, addresses: Addresses, source: str) -> None:
        self.protocol = HyperliquidProtocol(key, secret, source)
        self.past = HyperliquidPast()
        self.polls = HyperliquidPolls()
        self.marks = MarkPrices(info(Purpose.MARKET, STATES, LISTS), self.protocol.mark_prices)
        self._addresses = addresses

    def instrument_lists(self) -> Sequence[Call]:
        return tuple(info(Purpose.INSTRUMENTS, each, LISTS) for each in (STATES, SPOT_STATES))

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        found = instruments_of(read_json(body), wanted)
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        return live_market(instruments, self._addresses.ws, numbers)

    def depth(self, instrument: Instrument, stream: int) -> HyperliquidDepth:
        return HyperliquidDepth(instrument, stream, self._addresses.ws)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        """Requests whose agent the key's wallet is, which orders need; the stream itself needs no key."""
        return self.protocol.role()

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, self._addresses.ws_private)

    @property
    def entry_url(self) -> str:
        return self._addresses.ws_entry or self._addresses.ws

    def entry_dialect(self, key: str) -> HyperliquidOrderSession:
        return HyperliquidOrderSession(self.protocol)

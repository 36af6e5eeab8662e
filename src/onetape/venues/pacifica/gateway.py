"""Pacifica for a gateway: account channels without a key, requests with an agent's key.

Source: docs.pacifica.fi "Websocket" and "Rate limits", as of 2026-07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.contract import Addresses, MarkPrices, VenueDefaults
from onetape.venues.live_market import LiveMarket
from onetape.venues.pacifica.instruments import instruments_of
from onetape.venues.pacifica.market import PING, PacificaDepth, hello_of, live_market
from onetape.venues.pacifica.order_session import PacificaOrderSession
from onetape.venues.pacifica.past import PacificaPast
from onetape.venues.pacifica.trading import CHANNELS, CLOCK_STEP, CREDIT, PacificaProtocol

__all__ = ["PacificaVenue"]


class _AccountStream(ChannelStream):
    """An `AccountStream` that is live once its channels are confirmed and the positions have come. A refused
    subscription gets no answer."""

    ping = PING

    def __init__(self, protocol: PacificaProtocol, url: str) -> None:
        hello = hello_of(*({"source": each, "account": protocol.account} for each in CHANNELS))
        super().__init__(protocol, url, hello, waits_for=(*CHANNELS, "snapshot"))
        self._begin = protocol.begin_positions

    def confirms(self, value: Any) -> bool:
        if value.get("channel") == "subscribe":
            self._waiting.discard(str(value["data"]["source"]))
        elif value.get("channel") == "account_positions" and "snapshot" in self._waiting:
            self._waiting.discard("snapshot")
            self._begin()
        return False


class PacificaVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: PacificaProtocol
    clock_step: Final = CLOCK_STEP
    connects: Final = BudgetRule(60 * SECOND, 300, "")  # the venue documents a limit of 300 connections, but no rate
    symbols_max: Final = 20  # subscriptions of one channel per connection
    probe_s: Final = 6.0  # a tenth of the credits

    def __init__(self, key: str, secret: str, addresses: Addresses, api_config_key: str = "") -> None:
        """api_config_key: the venue counts requests by this key instead of the address."""
        self.protocol = PacificaProtocol(key, secret, api_config_key)
        self.budget_key = api_config_key
        # "Rate limits"; another copy of the page has 125 per address.
        self.budget = (BudgetRule(60 * SECOND, (300 if api_config_key else 100) * CREDIT, "", rolls=True),)
        self.past = PacificaPast(self.protocol)
        self.marks = MarkPrices(self.protocol.public(Purpose.MARKET, "/info/prices"), self.protocol.mark_prices)
        self._addresses = addresses

    def instruments(self) -> Call:
        return self.protocol.public(Purpose.INSTRUMENTS, "/info")

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        found = instruments_of(read_json(body)["data"], wanted)
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        return live_market(instruments, self._addresses.ws, numbers)

    def depth(self, instrument: Instrument, stream: int) -> PacificaDepth:
        return PacificaDepth(instrument, stream, self._addresses.ws)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        """Requests a proof of the key, which orders need; the stream itself needs no key."""
        return self.protocol.proof(Purpose.STREAM_KEY, now)

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, self._addresses.ws_private)

    @property
    def entry_url(self) -> str:
        return self._addresses.ws_entry or self._addresses.ws

    def entry_dialect(self, key: str) -> PacificaOrderSession:
        return PacificaOrderSession(self.protocol)

"""Kraken spot for a gateway: sequential requests, a token for each private connection.

Nonces must arrive in the order in which they were made, so requests of a key are sent one at a time. The venue's clock
has whole seconds. Source: docs.kraken.com, "Spot REST" and "WebSocket v2 authentication", as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.contract import Addresses, VenueDefaults
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.depth import KrakenDepth
from onetape.venues.kraken.instruments import instruments_of
from onetape.venues.kraken.market import live_market
from onetape.venues.kraken.order_session import KrakenOrderSession
from onetape.venues.kraken.past import KrakenPast
from onetape.venues.kraken.polls import KrakenPolls
from onetape.venues.kraken.trading import KrakenSpotProtocol
from onetape.venues.kraken.wire import parse
from onetape.venues.live_market import LiveMarket

__all__ = ["KrakenSpotVenue"]

CHANNELS: Final = ("executions", "balances")


class _AccountStream(ChannelStream):
    """An `AccountStream` that is live once both channels are confirmed, and broken when one is refused or skips a
    number: each channel numbers its messages."""

    def __init__(self, protocol: KrakenSpotProtocol, url: str, token: str) -> None:
        hello = tuple(
            msgspec.json.encode({"method": "subscribe", "params": {**params, "token": token}})
            for params in (
                # No snapshots: earlier events are queried by REST.
                {"channel": "executions", "snap_orders": False, "snap_trades": False},
                {"channel": "balances", "snapshot": False},
            )
        )
        super().__init__(protocol, url, hello, waits_for=CHANNELS)
        self._last: dict[str, int] = {}

    def confirms(self, value: dict[str, Any]) -> bool:
        is_subscription: bool = value.get("method") == "subscribe"
        if is_subscription:
            self._confirm(value)
        else:
            self._check(value)
        return is_subscription

    def _confirm(self, value: dict[str, Any]) -> None:
        if str(value.get("success")) != "True":
            self.broken = f"not subscribed: {value.get('error')}"
            return
        self._waiting.discard(str((value.get("result") or {}).get("channel")))

    def _check(self, value: dict[str, Any]) -> None:
        channel, number = value.get("channel"), value.get("sequence")
        if channel not in CHANNELS or not isinstance(number, str) or not number.isdigit():
            return
        last = self._last.get(channel)
        self._last[channel] = int(number)
        if last is not None and int(number) != last + 1:
            self.broken = f"{channel} {number} after {last}"


class KrakenSpotVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: KrakenSpotProtocol
    polls: KrakenPolls
    in_order = True
    clock_step: Final = 1_000_000_000
    # No budget: the venue counts per key and per pair, read 2026-11. Its WebSocket FAQ: about 150 connections in ten
    # minutes per address, then a ban of ten minutes. Not tried at the venue.
    connects: Final = BudgetRule(600 * SECOND, 150, "")
    symbols_max: Final = 100  # per connection: the venue documents no limit, and confirms each subscription
    # The query costs 1 of a key's counter, which falls by 0.33 (starter) to 1 (pro) a second, read 2026-11.
    probe_s: Final = 3.0

    def __init__(self, key: str, secret: str, addresses: Addresses) -> None:
        self.protocol = KrakenSpotProtocol(key, secret)
        self.past = KrakenPast()
        self.polls = KrakenPolls()
        self._addresses = addresses

    def instruments(self) -> Call:
        return self.protocol.asset_pairs()

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        pairs = Pairs(parse(body)["result"])
        found = instruments_of(pairs, wanted)
        self.protocol.set_pairs(pairs)
        self.polls.pairs = pairs
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        return live_market(instruments, self._addresses.ws, numbers)

    def depth(self, instrument: Instrument, stream: int) -> KrakenDepth:
        return KrakenDepth(instrument, stream, self._addresses.ws)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.token(now)

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, self._addresses.ws_private, key)

    @property
    def entry_url(self) -> str:
        return self._addresses.ws_entry or self._addresses.ws_private

    def entry_key(self, now: int) -> Call | None:
        return self.protocol.token(now)

    def entry_dialect(self, key: str) -> KrakenOrderSession:
        return KrakenOrderSession(self.protocol, key)

"""A venue behind ccxt for a gateway: its addresses are those of the bridge, its key is the bridge's token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.symbol import exchange_of
from onetape.orders.calls import Call
from onetape.orders.malformed import MALFORMED
from onetape.orders.reports import VenueReport
from onetape.venues.ccxt.facts import facts_of
from onetape.venues.ccxt.instruments import instruments_of
from onetape.venues.ccxt.market import CcxtMarket
from onetape.venues.ccxt.trading import CcxtProtocol
from onetape.venues.contract import AccountStreamDefaults, Addresses, VenueDefaults
from onetape.venues.depth import DepthStream
from onetape.venues.error_tables import malformed

__all__ = ["CcxtVenue"]

FEED: Final = "/feed"


class _AccountStream(AccountStreamDefaults):
    """An `AccountStream` that is live once the bridge has read the account's lists, and broken when it no longer
    can."""

    def __init__(self, protocol: CcxtProtocol, url: str, token: str) -> None:
        self._protocol = protocol
        self.url = url
        self.hello = (msgspec.json.encode({"token": token, "feed": "account"}),)
        self.is_live = False
        self.broken = ""

    def reports_of(self, message: bytes) -> list[VenueReport]:
        try:
            value: dict[str, Any] = read_json(message)
        except MALFORMED as error:
            return malformed(error)
        if "live" in value:
            self.is_live = True
        elif "lost" in value:
            self.broken = str(value["lost"])
        return self._protocol.reports_of(message)


class CcxtVenue(VenueDefaults):
    """Implements `TradingVenue`. Requests are concurrent; the bridge serializes them if necessary."""

    protocol: CcxtProtocol
    clock_step: Final = 1_000_000
    # No budget: the library behind the bridge paces its requests.
    connects: Final = None
    probe_s: Final = 0.0  # the bridge makes the account stream from lists that it queries
    symbols_max: Final = 100

    def __init__(self, exchange: str, token: str, addresses: Addresses) -> None:
        facts = facts_of(exchange)
        self.protocol = CcxtProtocol(exchange, facts, token)
        self._prefix = exchange_of(exchange)
        self._token = token
        self._addresses = addresses

    def instruments(self) -> Call:
        return self.protocol.markets()

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        answer = read_json(body)
        if "error" in answer:
            raise ValueError(str(answer["error"]["text"]))
        try:
            found = instruments_of(answer["ok"], self._prefix)
        except OnetapeError as error:
            raise ValueError(str(error)) from error
        found = [i for i in found if not wanted or i.symbol in wanted]
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> CcxtMarket:
        return CcxtMarket(instruments, self._addresses.ws + FEED, self._token, numbers)

    def depth(self, instrument: Instrument, stream: int) -> DepthStream | None:
        """Returns None: ccxt maintains books itself, and does not pass on the venue's messages."""
        return None

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.account()

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, self._addresses.ws_private + FEED, self._token)

"""BitMEX for a gateway: an account's tables over a WebSocket that is authenticated when it opens. The venue closed on
2026-09-23: this trades on its simulated exchange.

Source: BitMEX API documentation, "WebSocket API", "Rate Limits", of its last years.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onetape.model.instrument import Instrument
from onetape.model.time import HOUR, SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.bitmex.instruments import instruments_of
from onetape.venues.bitmex.market import BitmexDepth, hello_of, live_market
from onetape.venues.bitmex.trading import CLOCK_STEP, ROOT, TABLES, BitmexProtocol
from onetape.venues.contract import Addresses, VenueDefaults
from onetape.venues.live_market import LiveMarket
from onetape.venues.numbers import exact_json

__all__ = ["BitmexVenue"]


class _AccountStream(ChannelStream):
    """An `AccountStream` that is live once the first message of each table has come. A silent connection is not
    ended."""

    def __init__(self, protocol: BitmexProtocol, url: str, expires: str) -> None:
        super().__init__(protocol, url, (protocol.hello(expires), hello_of(*TABLES)), waits_for=TABLES)

    def confirms(self, value: Any) -> bool:
        if "error" in value:
            self.broken = f"refused: {value['error']}"[:120]
            return True
        if value.get("action") == "partial":
            self._waiting.discard(value["table"])
        return False


class BitmexVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: BitmexProtocol
    clock_step: Final = CLOCK_STEP
    budget = (BudgetRule(60 * SECOND, 120, "", rolls=True),)
    connects: Final = BudgetRule(HOUR, 720, "")  # as in public clients; not tried
    order_rules = (BudgetRule(SECOND, 10, ""),)
    symbols_max: Final = 20  # three topics for each
    probe_s: Final = 6.0  # a twelfth of the budget

    def __init__(self, key: str, secret: str, addresses: Addresses) -> None:
        self.protocol = BitmexProtocol(key, secret)
        self._addresses = addresses

    def instruments(self) -> Call:
        return Call(Purpose.INSTRUMENTS, "GET", f"{ROOT}/instrument/active", b"", {}, 1)

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        found = instruments_of(exact_json(body), wanted)
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        return live_market(instruments, self._addresses.ws, numbers)

    def depth(self, instrument: Instrument, stream: int) -> BitmexDepth:
        return BitmexDepth(instrument, stream, self._addresses.ws)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.stream_key(now)

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, self._addresses.ws_private, key)

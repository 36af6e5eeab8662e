"""Bybit v5 for a gateway: an account's topics over a WebSocket that is opened by a signature, orders over another one.

Source: Bybit API documentation v5, "Rate Limit", "WebSocket Connect", as of 2026-07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.bybit.instruments import instruments_of
from onetape.venues.bybit.market import PING, BybitDepth, hello_of, live_market
from onetape.venues.bybit.order_session import PATH, BybitOrderSession
from onetape.venues.bybit.past import BybitPast
from onetape.venues.bybit.polls import BybitPolls
from onetape.venues.bybit.signing import hello
from onetape.venues.bybit.trading import CLOCK_STEP, TOPICS, BybitProtocol
from onetape.venues.bybit.words import CATEGORIES
from onetape.venues.contract import Addresses, VenueDefaults
from onetape.venues.live_market import Market

__all__ = ["BybitVenue"]


class _AccountStream(ChannelStream):
    """An `AccountStream` that is live once the venue has taken the signature and the topics. What happened before is
    read by REST: no topic begins with a snapshot."""

    ping = PING

    def __init__(self, protocol: BybitProtocol, url: str, made: str) -> None:
        opening = (hello(protocol.key, protocol.secret, int(made)), *hello_of(*TOPICS))
        super().__init__(protocol, url, opening, waits_for=("auth", "subscribe"))

    def confirms(self, value: Any) -> bool:
        operation = value.get("op")
        if operation not in ("auth", "subscribe"):
            return False
        if value.get("success") is False or value.get("retCode"):
            self.broken = f"refused: {value.get('ret_msg') or value.get('retMsg')}"[:120]
        else:
            self._waiting.discard(operation)
        return True


class BybitVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: BybitProtocol
    clock_step: Final = CLOCK_STEP
    budget = (BudgetRule(5 * SECOND, 600, "", rolls=True),)
    connects: Final = BudgetRule(5 * MINUTE, 500, "")
    order_rules = (BudgetRule(SECOND, 10, "", rolls=True),)
    order_limit_code = "10006"
    symbols_max: Final = 100  # four topics for each
    probe_s: Final = 2.0

    def __init__(self, key: str, secret: str, addresses: Addresses) -> None:
        self.protocol = BybitProtocol(key, secret)
        self.past = BybitPast()
        self.polls = BybitPolls()
        self._addresses = addresses

    def instrument_lists(self) -> list[Call]:
        targets = [f"/v5/market/instruments-info?category={each}&limit=1000" for each in CATEGORIES.values()]
        return [Call(Purpose.INSTRUMENTS, "GET", target, b"", {}, 1) for target in targets]

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        lists = zip(CATEGORIES, read_json(body), strict=True)
        found = [i for kind, answer in lists for i in instruments_of(kind, answer["result"]["list"], wanted)]
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> Market:
        return live_market(instruments, self._addresses.ws, numbers)

    def depth(self, instrument: Instrument, stream: int) -> BybitDepth:
        return BybitDepth(instrument, stream, self._addresses.ws)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.stream_key(now)

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, f"{self._addresses.ws_private}/v5/private", key)

    @property
    def entry_url(self) -> str:
        return self._addresses.ws_entry or f"{self._addresses.ws_private}{PATH}"

    def entry_dialect(self, key: str) -> BybitOrderSession:
        return BybitOrderSession(self.protocol)

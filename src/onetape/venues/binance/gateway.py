"""Binance USD-M for a gateway: a listen key in the stream's path, kept alive each minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.orders.reports import VenueReport
from onetape.venues.binance.depth import BinanceDepth
from onetape.venues.binance.family import BINANCE, Family
from onetape.venues.binance.instruments import instruments_of, order_rules_of
from onetape.venues.binance.market import live_market
from onetape.venues.binance.order_session import PATH, BinanceOrderSession
from onetape.venues.binance.past import BinancePast
from onetape.venues.binance.polls import BinancePolls
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.contract import AccountStreamDefaults, Addresses, VenueDefaults
from onetape.venues.live_market import LiveMarket

__all__ = ["BinanceUsdmVenue"]


class _AccountStream(AccountStreamDefaults):
    """An `AccountStream` that is live as soon as it is connected."""

    is_live = True

    def __init__(self, protocol: BinanceUsdmProtocol, url: str) -> None:
        self._protocol = protocol
        self.url = url

    def reports_of(self, message: bytes) -> list[VenueReport]:
        return self._protocol.reports_of(message)


class BinanceUsdmVenue(VenueDefaults):
    """Implements `TradingVenue`, for Binance or another venue of its family."""

    protocol: BinanceUsdmProtocol
    clock_step: Final = 1_000_000
    # 300 connection attempts in five minutes per address (WebSocket limits, read 2026-11).
    connects: Final = BudgetRule(300_000_000_000, 300, "")
    keep_key_s = 60.0  # half an hour would be enough; this detects a lost key early
    probe_s: Final = 2.0  # weight 5 of 2400 a minute
    order_limit_code = "-1015"
    symbols_max: Final = 100  # 1024 streams would be allowed, two per instrument; but proxies refuse longer addresses

    def __init__(self, key: str, secret: str, addresses: Addresses, family: Family = BINANCE) -> None:
        self.protocol = BinanceUsdmProtocol(key, secret, family)
        self._family, self.budget, self.wallet_budget = family, (family.public.weights,), family.wallet_side.budget
        self.past = BinancePast(family.public)
        self.polls = BinancePolls(family.public)
        self._addresses = addresses

    def instruments(self) -> Call:
        return Call(Purpose.INSTRUMENTS, "GET", "/fapi/v1/exchangeInfo", b"", {}, 1)

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        answer = read_json(body)
        found = instruments_of(answer, wanted, self._family.venue)
        self.order_rules = order_rules_of(answer)
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        return live_market(instruments, self._addresses.ws, numbers, self._family.ways)

    def depth(self, instrument: Instrument, stream: int) -> BinanceDepth:
        return BinanceDepth(instrument, stream, self._addresses.ws + self._family.ways[0])

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.stream_key(now, keep=keep)

    def account_stream(self, key: str) -> _AccountStream:
        return _AccountStream(self.protocol, self._addresses.ws_private + self.protocol.stream_path(key))

    @property
    def entry_url(self) -> str:
        if not self._family.has_algo:
            return ""  # no WebSocket takes orders
        return self._addresses.ws_entry or self._addresses.ws + PATH

    def entry_dialect(self, key: str) -> BinanceOrderSession:
        return BinanceOrderSession(self.protocol)

"""The guardian's own look at a venue, past the gateway: which stops rest there, what is held."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from onetape.feeds.kept_nonces import keep_nonces
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import AddressBudget, BudgetError, budget_file
from onetape.feeds.venue_clock import VenueClock, keep_clock
from onetape.guardian.options import AccountOptions
from onetape.model.instrument import Instrument
from onetape.net.egress import egress_of
from onetape.net.tasks import ended, watched
from onetape.orders.calls import Call, Traits
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Outcome
from onetape.orders.reports import OrderStatusReport, PositionReport
from onetape.risk.look_back import period_of
from onetape.security.redaction import Redactor
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.open import open_trading_venue
from onetape.venues.past_market import bars_between

__all__ = ["VenueReader", "can_watch", "traits_of"]


def can_watch(options: AccountOptions) -> bool:
    """Its venue takes stops, and can be asked which it has."""
    return not options.kind.startswith("ccxt:") and traits_of(options).positions


def traits_of(options: AccountOptions) -> Traits:
    return _venue(options).protocol.traits


def _venue(options: AccountOptions) -> TradingVenue:
    addresses = Addresses(options.rest, options.ws, options.ws)
    return open_trading_venue(options.kind, options.key, options.secret, addresses, options.api_config_key)


class VenueReader:
    """Asks with the account's key, from the budget that the address has in this home."""

    def __init__(self, options: AccountOptions, home: Path, say: Callable[[HealthOut], None]) -> None:
        venue = _venue(options)
        self.protocol, self.clock, self._say = venue.protocol, VenueClock(), say
        keep_nonces(self.protocol, home)
        file = budget_file(home, options.rest, options.api_config_key)
        self._budget = AddressBudget(file, venue.budget, now=self.clock.now, say=say)
        hide = Redactor(options.key, options.secret, options.api_config_key)
        self.line = VenueLine(
            venue, options.rest, self.clock, hide, self._budget, keeps=False, egress=egress_of(options.proxy, say)
        )
        self.weight = 0  # that it has spent

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with self.line.open():
            clock = watched(keep_clock(self.line, self._say))
            try:
                yield
            finally:
                await ended([clock])
                self._budget.close()

    def learn(self, instruments: Sequence[Instrument]) -> None:
        self.protocol.set_instruments(instruments)

    def look(self) -> None:
        """Now and then: says that the budget is there again."""
        self._budget.look()

    async def stops(self, symbol: str) -> tuple[int, list[OrderStatusReport]] | None:
        """When it was asked, ns of a steady clock, and a symbol's stops. None: no answer."""
        call = self.protocol.open_stops(symbol, self.clock.now())
        found = await self._rows(call) if call is not None else None
        if found is None:
            return None
        queried_at, rows = found
        return queried_at, [row for row in rows if isinstance(row, OrderStatusReport)]

    async def positions(self) -> tuple[int, list[PositionReport]] | None:
        found = await self._rows(self.protocol.positions(self.clock.now()))
        if found is None:
            return None
        queried_at, rows = found
        return queried_at, [row for row in rows if isinstance(row, PositionReport)]

    async def extremes(self, instrument: Instrument, window: int) -> tuple[int, int]:
        """Low and high of the last `window` ns, in units; 0, 0: they cannot be told."""
        past, now, period = self.line.venue.past, self.clock.now(), period_of(window)
        if past is None or period not in past.intervals:
            return 0, 0
        begin, end = ((at // period) * period for at in (now - window, now + period))
        asking = bars_between(past, instrument, period, begin, end)
        try:
            call = next(asking)
            while True:
                self.weight += call.weight
                status, _, body = await self.line.request(call)
                if status != 200:
                    return 0, 0
                call = asking.send(body)
        except StopIteration as done:
            bars = [bar for bar in done.value if not bar.is_empty]
        except (BudgetError, aiohttp.ClientError, ConnectionError, TimeoutError, *MALFORMED):
            return 0, 0
        return min((bar.low for bar in bars), default=0), max((bar.high for bar in bars), default=0)

    async def _rows(self, call: Call) -> tuple[int, Sequence[object]] | None:
        queried = time.monotonic_ns()
        self.weight += call.weight
        answer = await self.line.answer(call)
        return (queried, answer.reports) if answer.outcome is Outcome.DONE else None

"""The guardian's own queries of a venue, without the gateway: resting stops and positions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from http import HTTPStatus
from math import ceil
from pathlib import Path
from typing import Final

import aiohttp

from onetape.feeds.kept_nonces import keep_nonces
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import AddressBudget, BudgetError, budget_file
from onetape.feeds.venue_clock import VenueClock, keep_clock
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.net.egress import egress_of
from onetape.net.tasks import ended, watched
from onetape.options.guardian import AccountOptions
from onetape.orders.calls import Call, Traits
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import OrderStatusReport, PositionReport
from onetape.risk.look_back import period_of
from onetape.security.redaction import Redactor
from onetape.venues.contract import Addresses, MarkPrices, TradingVenue
from onetape.venues.open import open_trading_venue
from onetape.venues.past_market import bars_between

__all__ = ["VenueReader", "can_watch", "traits_of"]

FRESH: Final = 5 * SECOND  # an older mark price of the venue is ignored


def can_watch(options: AccountOptions) -> bool:
    """Tells whether the account's venue takes stops, and can list them."""
    return not options.kind.startswith("ccxt:") and traits_of(options).positions


def traits_of(options: AccountOptions) -> Traits:
    return _venue(options).protocol.traits


def _venue(options: AccountOptions) -> TradingVenue:
    addresses = Addresses(options.rest, options.ws, options.ws)
    secrets = options.key, options.secret, addresses, options.third_secret
    return open_trading_venue(options.kind, *secrets, isolated=options.isolated)


class VenueReader:
    """Queries with the account's key, from the address's budget in this home."""

    def __init__(self, options: AccountOptions, home: Path, say: Callable[[HealthOut], None]) -> None:
        venue = _venue(options)
        self.protocol, self.clock, self._say = venue.protocol, VenueClock(), say
        self.steady = time.monotonic_ns  # the core's clock
        self._marks = venue.marks
        keep_nonces(self.protocol, home)
        file = budget_file(home, options.rest, venue.budget_key, proxy=options.proxy)
        self._budget = AddressBudget(file, venue.budget, now=self.clock.now, say=say)
        hide = Redactor(options.key, options.secret, options.third_secret)
        self.line = VenueLine(
            venue, options.rest, self.clock, hide, self._budget, keeps=False, egress=egress_of(options.proxy, say)
        )
        self.weight = 0  # spent so far

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
        """Reports when the budget is available again; to be called periodically."""
        self._budget.look()

    async def stops(self, symbol: str) -> tuple[int, list[OrderStatusReport]] | None:
        """Returns the request time, ns of a steady clock, and a symbol's stops. None: no answer."""
        call, queried_at = self.protocol.open_stops(symbol, self.clock.now()), self.steady()
        found = await self._page(call) if call is not None else None
        if found is None:
            return None
        return queried_at, [row for row in found.reports if isinstance(row, OrderStatusReport)]

    @property
    def pace(self) -> int:
        """Returns the shortest interval, ns, at which positions, mark prices and stops can be queried with half of the
        address's budget; at least one second. Stops, which cost no more than positions, are queried half as often."""
        weight = 1.5 * self.protocol.positions(0).weight + (self._marks.call.weight if self._marks is not None else 0)
        allowed = min((rule.most / rule.window for rule in self.line.venue.budget), default=weight) / 2
        return max(ceil(weight / allowed), SECOND)

    async def positions(self) -> tuple[int, list[PositionReport]] | None:
        """Returns the request time, ns of a steady clock, and positions with mark prices, from the market if the
        venue's positions have none. None: no answer."""
        queried_at, held = self.steady(), list[PositionReport]()
        call: Call | None = self.protocol.positions(self.clock.now())
        while call is not None:
            found = await self._page(call)
            if found is None:
                return None
            held += [row for row in found.reports if isinstance(row, PositionReport)]
            call = self.protocol.more_positions(found.cursor, self.clock.now()) if found.cursor else None
        if self._marks is None or not any(row.qty for row in held):
            return queried_at, held
        marks = await self._mark_prices(self._marks)
        return queried_at, [row._replace(mark=marks.get(row.symbol)) for row in held]

    async def _mark_prices(self, marks: MarkPrices) -> Mapping[str, Decimal]:
        """Returns mark prices by symbol, without old ones; empty without an answer."""
        self.weight += marks.call.weight
        try:
            status, _, body = await self.line.request(marks.call)
            return marks.read(body, self.clock.now() - FRESH) if status == HTTPStatus.OK else {}
        except (BudgetError, aiohttp.ClientError, ConnectionError, TimeoutError, *MALFORMED):
            return {}

    async def extremes(self, instrument: Instrument, window: int) -> tuple[int, int]:
        """Returns low and high of the last `window` ns, in units; 0, 0: unavailable."""
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
                if status != HTTPStatus.OK:
                    return 0, 0
                call = asking.send(body)
        except StopIteration as done:
            bars = [bar for bar in done.value if not bar.is_empty]
        except (BudgetError, aiohttp.ClientError, ConnectionError, TimeoutError, *MALFORMED):
            return 0, 0
        return min((bar.low for bar in bars), default=0), max((bar.high for bar in bars), default=0)

    async def _page(self, call: Call) -> Answer | None:
        self.weight += call.weight
        answer = await self.line.answer(call)
        return answer if answer.outcome is Outcome.DONE else None

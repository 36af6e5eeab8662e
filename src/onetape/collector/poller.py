"""Polls a venue's market: requests by the plan, and writes the new messages of the answers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp

from onetape import _core
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.poll_plan import Contact, Pollers, PollPlan, Share, Turns, holder_of
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import BudgetError
from onetape.feeds.universe import Listing
from onetape.model.errors import VenueProtocolError
from onetape.model.time import SECOND
from onetape.net.tasks import ended
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import retry_after
from onetape.store.shared_counters import SharedLeases
from onetape.tape.journal import JournalWriter
from onetape.venues.market_polls import MarketPolls, PollKind

__all__ = ["Poller", "leases_file"]

UNDER_WAY_MAX: Final = 12  # unanswered requests: the line has 16 connections
RENEW_S: Final = 0.3
TURN_S: Final = 0.02  # wait before the next try while no request may be sent
LOOK_S: Final = 1.0


def leases_file(budget: Path) -> Path:
    """Returns the file of the leases of a venue's pollers. budget: of the venue, without a proxy."""
    return budget.with_name(budget.name.replace("budget-", "pollers-", 1))


class Poller:
    """Polls a venue, as one of several pollers. address: from which it sends requests; percents: the shares of
    the venue's limit for each address, usually and while no stream brings prices."""

    def __init__(
        self,
        line: VenueLine,
        polls: MarketPolls,
        leases: Path,
        address: str,
        writer: JournalWriter,
        *,
        say: Callable[[HealthOut], None],
        rejects: Rejects,
        percents: tuple[int, int],
    ) -> None:
        self._line, self._polls = line, polls
        self._leases = SharedLeases(leases)
        self._holder = holder_of(address, secrets.randbits(46))
        self._writer = writer.core
        self._say, self._rejects = say, rejects
        percent, self._urgent_percent = percents
        self._plan = PollPlan(
            polls.kinds, polls.rule, percent=percent, now=time.monotonic_ns(), urgent_percent=self._urgent_percent
        )
        self._turns = {kind.name: Turns() for kind in polls.kinds if kind.by_symbol}
        self._has_shared = False  # its symbols had other pollers before, which may have read their trades
        self._listings: dict[str, Listing] = {}
        self._all: _core.LiveMessages | None = None  # a reader of answers about all symbols,
        self._each: dict[str, _core.LiveMessages] = {}  # and one for each symbol
        self._number = 0  # of the last request
        self._newest: Counter[str] = Counter()  # the request number of the newest answer, by kind
        self._tasks: set[asyncio.Task[None]] = set()
        self._urgent_since = 0
        self._contact = Contact()
        self._hurried = asyncio.Event()
        self.counts: Counter[str] = Counter()

    def follow(self, listings: Sequence[Listing]) -> None:
        """Sets the listings, keeping the state of those that stay."""
        instruments, numbers = [each.instrument for each in listings], [each.number for each in listings]
        self._all = self._polls.reader(instruments, numbers)
        before, self._listings = self._listings, {each.instrument.symbol: each for each in listings}
        self._each = {
            symbol: self._each[symbol]
            if before.get(symbol) == each and symbol in self._each
            else self._polls.reader([each.instrument], [each.number])
            for symbol, each in self._listings.items()
        }
        for turns in self._turns.values():
            turns.set_names(self._listings)

    def set_hot(self, symbols: frozenset[str]) -> None:
        """Polls these symbols more often from now on, for a short time unless repeated."""
        for turns in self._turns.values():
            turns.set_hot(symbols, time.monotonic_ns())
        self.counts["hot"] = len(symbols & self._listings.keys())

    def hurry(self, since: int) -> None:
        """Polls faster, see `PollPlan.hurry`. since: ns UTC."""
        if since != self._urgent_since:
            self._urgent_since = since
            if self._line.budget is not None:
                self._line.budget.allow(self._urgent_percent if since else 0)
            self._plan.hurry(since and max(since - time.time_ns() + time.monotonic_ns(), 1))
            self._hurried.set()

    @property
    def hears(self) -> bool:
        return bool(self._contact.is_heard)

    def status(self) -> dict[str, Any]:
        share = self._plan.share
        readers = [*self._each.values(), *([self._all] if self._all is not None else [])]
        repeated = sum(reader.repeated for reader in readers)
        is_hurried = self._plan.urgent_since > 0
        places = {"poller": share.place + 1, "pollers": share.pollers, "hurried": is_hurried}
        return {**places, "repeated": repeated, **self.counts}

    async def run(self) -> None:
        """Runs forever."""
        renewed = 0.0
        try:
            while True:
                if time.monotonic() - renewed >= RENEW_S:
                    renewed = time.monotonic()
                    self._divide()
                for task in [each for each in self._tasks if each.done()]:
                    self._tasks.discard(task)
                    task.result()  # a failed journal ends the process
                if len(self._tasks) >= UNDER_WAY_MAX:
                    await asyncio.wait(self._tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                    continue
                now = time.monotonic_ns()
                kind = self._plan.take(now) if self._listings else None
                if kind is None:
                    wait = (self._plan.next_at(now) - now) / SECOND if self._listings else LOOK_S
                    self._hurried.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(wait, LOOK_S)):
                            await self._hurried.wait()
                    continue
                symbol = self._turns[kind.name].take(now) if kind.by_symbol else ""
                if symbol is None:  # an answer, or the end of a lease, frees one
                    self._plan.give_back(kind)
                    await asyncio.sleep(TURN_S)
                    continue
                self._number += 1
                self._tasks.add(asyncio.ensure_future(self._ask(kind, symbol, self._number)))
        finally:
            await ended(list(self._tasks))
            with self._leases.changing() as leases:
                pollers = Pollers(list(leases))
                pollers.release(self._holder)
                leases[:] = pollers.leases
            self._leases.close()

    def _divide(self) -> None:
        with self._leases.changing() as leases:
            pollers = Pollers(list(leases))
            share: Share = pollers.renew(self._holder, time.monotonic_ns())
            leases[:] = pollers.leases
        self._has_shared = self._has_shared or share.pollers > 1
        self._plan.share = share
        self._plan.ahead = self._line.clock.now() - time.monotonic_ns()  # of the venue, as pollers on all hosts know it
        for turns in self._turns.values():
            turns.share = share
        if self._line.budget is not None:
            window = self._polls.rule.window
            remaining = window - self._line.clock.now() % window
            self._plan.spent(self._line.budget.status()["used"][0], remaining, time.monotonic_ns())

    async def _ask(self, kind: PollKind, symbol: str, number: int) -> None:
        trades: int | None = None
        requested_at = time.monotonic_ns()
        reader = self._each.get(symbol) if symbol else self._all
        listing = self._listings.get(symbol) if symbol else None
        if reader is None or (symbol and listing is None):  # it was dropped just now
            return
        try:
            after = reader.last_trade(listing.number) if listing is not None else (0, 0)
            if listing is not None and not after[0] and self._has_shared:
                after = (0, time.time_ns() - self._plan.look_back(kind, len(self._listings)))
            call = self._polls.call(kind.name, listing.instrument if listing is not None else None, after)
            status, headers, body = await self._line.request(call)
            self.counts["asked"] += 1
            self.counts["weight"] += kind.weight
            if status != 200:
                self._refused(status, headers)
                self._failed(requested_at, f"HTTP {status}")
                return
            if not symbol and number < self._newest[kind.name]:
                self.counts["late"] += 1  # a later answer arrived before
                return
            self._newest[kind.name] = number
            if symbol and symbol not in self._listings:
                return
            trades = self._read(kind, reader, body, listing)
            if self._contact.answered(time.monotonic_ns()):
                self._say(HealthOut("feed", "requests", "connected"))
        except BudgetError as spent:
            self.counts["held_back"] += 1
            self._plan.give_back(kind)
            self._plan.hold(time.monotonic_ns() + (spent.answer.retry_after or SECOND))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.counts["failed"] += 1
            self._failed(requested_at, type(error).__name__)
        except VenueProtocolError:
            self.counts["malformed"] += 1
        finally:
            if symbol:
                self._turns[kind.name].done(symbol, time.monotonic_ns(), trades)

    def _read(self, kind: PollKind, reader: _core.LiveMessages, body: bytes, listing: Listing | None) -> int:
        """Writes new messages. Returns the number of trades. Raises VenueProtocolError."""
        received = time.time_ns()
        message = self._rejects.read(kind.name, partial(self._polls.message, kind.name), body)
        if listing is None:
            reader.take(message, received, self._writer)
            return 0
        before = reader.last_trade(listing.number)[0]
        reader.take(message, received, self._writer)
        found = reader.last_trade(listing.number)[0] - before if before else 0
        self.counts["trades"] += found
        return found

    def _refused(self, status: int, headers: dict[str, str]) -> None:
        """Pauses after a refusal; the budget of the address has counted it as well, and holds all pollers back."""
        self.counts[f"http_{status}"] += 1
        if status in (418, 429):
            self._plan.hold(time.monotonic_ns() + (retry_after(headers) or SECOND))

    def _failed(self, requested_at: int, why: str) -> None:
        if self._contact.failed(requested_at, time.monotonic_ns()):
            self._say(HealthOut("feed", "requests", f"lost: {why}", "warning"))

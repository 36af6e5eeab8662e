"""Writes a venue's market to a tape: looks up the listed instruments periodically, and follows the wanted ones, over
streams or by requests. Needs no key."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from onetape.collector.klines import Klines
from onetape.collector.lost_streams import LostStreams
from onetape.collector.poller import Poller, leases_file
from onetape.collector.venue_tape import VenueTape
from onetape.feeds.connect_pace import ConnectPace, pace_file
from onetape.feeds.depth_feed import DepthFeed
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.instrument_list import learn_venue
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.market_feed import MarketFeed, outlast_overlap, overlapping
from onetape.feeds.overlap import Overlap
from onetape.feeds.poll_plan import BUSY_FOR
from onetape.feeds.query_line import VenueLine
from onetape.feeds.refill import Refill
from onetape.feeds.request_budget import AddressBudget, budget_file
from onetape.feeds.universe import CHANGED, DELISTED, DROPPED, REDENOMINATED, Change, Listing, Universe
from onetape.feeds.venue_clock import VenueClock, keep_clock
from onetape.market.condition import Condition, parse_condition
from onetape.market.silence import Attention
from onetape.market.wanted import symbols_wanted
from onetape.model.errors import NotAvailable, OnetapeError, VenueUnavailable
from onetape.model.home import hub_journal
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, SECOND, parse_period
from onetape.net.connection import back_off
from onetape.net.egress import egress_of
from onetape.net.tasks import ended
from onetape.options.collector import VenueFeedOptions
from onetape.orders.budget import BudgetRule
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.scanner.scanner import Scanner, market_journals
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

__all__ = ["VenueFeed"]

TICK_S: Final = 0.02
HOT_S: Final = 1.0  # between two checks of a condition
SNAPSHOTS_S: Final = 10.0  # between two snapshots of each book on the tape, for readers that begin there
SHOWN_S: Final = 1.0  # between two progress marks on the tape
KLINES_SHARE: Final = 0.5  # share of the request budget for bars, while streams bring the rest
KLINES_SHARE_POLLED: Final = 0.1
GOING: Final = (DELISTED, DROPPED)
HEARD_S: Final = 10.0  # longest wait for the first message of a replacing connection


SILENT_FOR = 30 * SECOND  # a market silent for this time counts as ended


class HotSymbols:
    """Selects symbols by a condition on the hub's market, or without one on the tapes of this home's processes. Used by
    one thread at a time."""

    def __init__(self, home: Path, condition: Condition) -> None:
        self._home, self._condition = home, condition
        self._scanner: Scanner | None = None
        self._written, self._written_at = -1, 0

    def look(self, now: int) -> frozenset[str] | None:
        """Returns the symbols that meet the condition, ns. None: no market is available."""
        try:
            if self._scanner is None:
                self._scanner = Scanner(market_journals(self._home), self._condition, is_live=True)
            if not self._scanner.is_written:
                self.close()
                return None
            found = self._scanner.meeting(now)
        except OnetapeError:  # no process, no such symbol, a journal that was replaced
            self.close()
            return None
        if self._scanner.frames != self._written:
            self._written, self._written_at = self._scanner.frames, now
        return found if now - self._written_at <= SILENT_FOR else None

    def close(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            scanner.close()


@dataclass(slots=True)
class _Group:
    """Instruments that share connections."""

    listings: list[Listing]
    feed: MarketFeed
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class VenueFeed:
    """Feeds the tape with the market of one venue over one transport. `run` lasts until it is cancelled, and raises the
    tape's errors."""

    def __init__(self, options: VenueFeedOptions, tape: VenueTape) -> None:
        self.options, self.tape = options, tape
        self.venue = open_trading_venue(options.kind, "", "", Addresses(options.rest, options.ws, options.ws))
        polls = self.venue.polls
        if options.transport == "rest" and polls is None:
            raise NotAvailable(f"the market of {options.kind} by requests", location=f"collectors.{options.name}")
        self.clock = VenueClock()
        self.rejects = Rejects(options.kind, tape.say)
        file = budget_file(Path(options.home), options.rest, proxy=options.proxy)
        rules = self.venue.budget or ((polls.rule,) if polls is not None else ())
        self.budget = AddressBudget(file, rules, now=self.clock.now, say=tape.say, usual_percent=options.percent)
        self.pace = ConnectPace(pace_file(file), self.venue.connects)
        self.egress = egress_of(options.proxy, tape.say)
        self.line = VenueLine(
            self.venue,
            options.rest,
            self.clock,
            budget=self.budget,
            keeps=False,
            rejects=self.rejects,
            pace=self.pace,
            egress=self.egress,
        )
        self.universe = Universe(symbols_wanted(options.symbols), tape.recovered, options.needed)
        self.poller: Poller | None = None
        if options.transport == "rest" and polls is not None:
            self.poller = Poller(
                self.line,
                polls,
                leases_file(budget_file(Path(options.home), options.rest)),
                options.host if options.proxy is None else f"{options.proxy.host}:{options.proxy.port}",
                tape.writer,
                say=tape.say,
                rejects=self.rejects,
                percents=(
                    round(options.percent * (1 - KLINES_SHARE_POLLED)),
                    max(options.percent, options.urgent_percent),
                ),
            )
        self.klines = self._klines(rules[0]) if options.klines and self.venue.past is not None and rules else None
        self._watch = DriftWatch(options.kind, tape.say)
        self._attention = Attention()
        self._overlap = Overlap()
        self._groups: list[_Group] = []
        self._working: set[asyncio.Task[None]] = set()
        self._missing: list[str] = []
        self.refill = Refill(self.line, tape.writer, bars=self.klines is None, spawn=self._keep, say=tape.say)
        self.depth = DepthFeed(
            self.line,
            (),
            tape.writer,
            spawn=self._keep,
            say=tape.say,
            written=lambda: None,
            watch=self._watch,
            rejects=self.rejects,
            readers=options.depth_readers,
        )

    def _klines(self, rule: BudgetRule) -> Klines:
        is_streamed = self.options.transport == "ws"
        share = KLINES_SHARE if is_streamed else KLINES_SHARE_POLLED
        return Klines(
            self.line,
            self.tape.path,
            self.tape.writer,
            [parse_period(each) for each in self.options.klines.split(",")],
            rate=share * self.options.percent / 100 * rule.most / rule.window,
            streamed=MINUTE if is_streamed else 0,
            now=self.clock.now,
            say=self.tape.say,
        )

    def _say(self, out: HealthOut) -> None:
        """Reports a connection's change, and requests what it missed."""
        self.tape.say(out)
        if self.klines is not None and (out.kind, out.state) == ("feed", "connected"):
            self.klines.hurry()

    async def run(self) -> None:
        async with self.line.open():
            try:
                self._keep(self._tick())
                if self.klines is not None:
                    self._keep(self.klines.run())
                self._keep(keep_clock(self.line, self.tape.say))
                if self.poller is not None:
                    self._keep(self.poller.run())
                    if self.options.streams:
                        self._keep(self._follow_streams(self.poller))
                    if self.options.hot:
                        self._keep(self._follow_hot(self.poller, parse_condition(self.options.hot)))
                self._keep(self._look_up())
                while True:
                    done, _ = await asyncio.wait(
                        {*self._working, *self._reading()}, timeout=SHOWN_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in done:
                        if not task.cancelled():
                            task.result()  # an endless task only ends with an error
            finally:
                await ended([*self._working, *self._reading()])
                self.budget.close()
                self.pace.close()

    def _keep(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def _reading(self) -> list[asyncio.Task[None]]:
        return [task for group in self._groups for task in group.tasks]

    async def _tick(self) -> None:
        shown = snapshots = 0.0
        while True:
            if stalled := self._attention.look(time.monotonic_ns()):
                words = f"this process stood still for {stalled / SECOND:.1f} s"
                self.tape.say(HealthOut("stall", self.options.name, words, "warning"))
            for group in self._groups:
                group.feed.look(self._attention.now)
            self.depth.look(self._attention.now)
            if time.monotonic() - snapshots >= SNAPSHOTS_S:
                snapshots = time.monotonic()
                self.depth.snapshots()
            if time.monotonic() - shown >= SHOWN_S:
                shown = time.monotonic()
                self.budget.look()
                self.tape.writer.progress(self.tape.writer.published)
            await asyncio.sleep(TICK_S)

    async def _follow_streams(self, poller: Poller) -> None:
        lost = LostStreams(hub_journal(Path(self.options.home)), self.options.streams)
        try:
            while True:
                poller.hurry(lost.look())
                await asyncio.sleep(TICK_S)
        finally:
            lost.close()

    async def _follow_hot(self, poller: Poller, condition: Condition) -> None:
        hot = HotSymbols(Path(self.options.home), condition)
        looked = time.time_ns()
        poller.set_hot(frozenset())
        is_stale = False
        try:
            while True:
                now = time.time_ns()
                found = await asyncio.to_thread(hot.look, now)
                if found is not None:
                    looked = now
                    poller.set_hot(found)
                if is_stale != (now - looked > BUSY_FOR):
                    is_stale = not is_stale
                    state = "stale: no symbol is polled more often" if is_stale else "fresh"
                    self.tape.say(HealthOut("hot", self.options.name, state, "warning" if is_stale else "info"))
                await asyncio.sleep(HOT_S)
        finally:
            hot.close()

    # --- listed instruments -----------------------------------------------------------------------

    async def _look_up(self) -> None:
        failures = 0
        while True:
            try:
                listed = await learn_venue(self.line, ())
                turnovers = await self._turnovers(listed) if self.universe.wanted.top else {}
            except OnetapeError as error:
                if not failures:
                    self.tape.say(HealthOut("feed", "instruments", f"lost: {error.what}"[:200], "warning"))
                failures += 1
                await back_off(failures - 1)
                continue
            if failures:
                self.tape.say(HealthOut("feed", "instruments", "connected"))
            failures = 0
            changes = self.universe.update(listed, turnovers, time.time_ns())
            for change in changes:
                if change.what != DROPPED:
                    self.tape.changed(change, time.time_ns())
            if self.universe.missing() != self._missing:
                self._missing = self.universe.missing()
                if self._missing:
                    words = f"does not trade there: {', '.join(self._missing)}"[:200]
                    self.tape.say(HealthOut("market", self.options.name, words, "warning"))
            if changes:
                if self.universe.wanted.top:
                    self.tape.chosen(self.universe)
                await self._apply(changes)
            await asyncio.sleep(self.options.listings_ns / SECOND)

    async def _turnovers(self, listed: Sequence[Instrument]) -> dict[str, float]:
        """Returns the turnovers of these symbols; {} without an answer, which keeps the followed ones. Raises
        VenueUnavailable if none is followed yet."""
        polls = self.venue.polls
        assert polls is not None
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, *MALFORMED):
            status, _, body = await self.line.request(polls.turnover)
            if status == 200:
                found = polls.turnovers(body)
                return {i.symbol: found.get(polls.name_of(i), 0.0) for i in listed}
        if not self.universe.listings:
            raise VenueUnavailable("the venue does not report turnovers", location=self.options.rest)
        return {}

    async def _apply(self, changes: Sequence[Change]) -> None:
        if self.klines is not None:
            self.klines.follow(list(self.universe.listings.values()))
        dropped = {each.listing.instrument.symbol: each for each in changes if each.what == DROPPED}
        if self.poller is not None:
            self.poller.follow(list(self.universe.listings.values()))
            self._say_dropped(dropped.values())
            return
        self._follow_books(changes)
        current = {each.number: each for each in self.universe.listings.values()}

        def still(group: _Group) -> list[Listing]:
            return [current[each.number] for each in group.listings if each.number in current]

        new = [change.listing for change in changes if change.what not in (*GOING, CHANGED)]
        for change in changes:
            if change.what in GOING:
                for group in self._groups:
                    group.feed.drop(change.listing.instrument.symbol)
        redenominated = {each.listing.instrument.symbol for each in changes if each.what == REDENOMINATED}
        room = self.venue.symbols_max
        for group in list(self._groups):
            kept, symbols = still(group), {each.instrument.symbol for each in group.listings}
            if symbols & redenominated:  # its messages must not be read in the old units
                await self._stop(group)
                self._start(kept)
                self._say_dropped(each for symbol, each in dropped.items() if symbol in symbols)
            elif gone := [each for symbol, each in dropped.items() if symbol in symbols]:
                taken, new = new[: room - len(kept)], new[room - len(kept) :]
                await self._replace(group, [*kept, *taken], gone)
        last = self._groups[-1] if self._groups else None
        if new and last is not None and len(last.listings) < room:
            kept = still(last)
            taken, new = new[: room - len(kept)], new[room - len(kept) :]
            await self._replace(last, [*kept, *taken])
        for at in range(0, len(new), room):
            self._start(new[at : at + room])

    def _follow_books(self, changes: Sequence[Change]) -> None:
        wanted = self.options.depth
        for change in changes:
            number, instrument = change.listing
            if change.what in GOING:
                self.depth.drop(instrument.symbol)
            elif change.what != CHANGED and (wanted == "all" or instrument.symbol in wanted.split(",")):
                self.depth.add(number, instrument)
                self.depth.want(instrument.symbol)

    # --- groups of streams ------------------------------------------------------------------------

    def _start(self, listings: Sequence[Listing], *, replaces: bool = False) -> None:
        if not listings:
            return
        feed = MarketFeed(
            self.venue,
            [each.instrument for each in listings],
            self.tape.writer,
            lambda *_: None,
            self._say,
            self._watch,
            self.rejects,
            account=self.options.name,
            numbers=[each.number for each in listings],
            renew_s=self.options.renew_ns / SECOND,
            overlap=self._overlap,
            replaces=replaces,
            pace=self.pace,
            egress=self.egress,
            lost=self.refill.lost,
        )
        tasks = [asyncio.ensure_future(feed.follow(number, stream)) for number, stream in enumerate(feed.streams())]
        self._groups.append(_Group(list(listings), feed, tasks))

    def _say_dropped(self, dropped: Iterable[Change]) -> None:
        """Reports dropped listings, after their last frames."""
        for change in dropped:
            self.tape.changed(change, time.time_ns())

    async def _replace(self, group: _Group, listings: Sequence[Listing], dropped: Sequence[Change] = ()) -> None:
        """Replaces a group by a new one that receives messages before the old one ends; by none if it has no listings
        left."""
        if not listings:
            await self._stop(group)
            self._say_dropped(dropped)
            return
        async with overlapping(self._overlap, self._reading):
            self._start(listings, replaces=True)
            feed = self._groups[-1].feed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARD_S):
                    while not feed.is_confirmed:
                        await asyncio.sleep(TICK_S)
            await outlast_overlap()
            await self._stop(group)
            self._say_dropped(dropped)
            feed.replaced()

    async def _stop(self, group: _Group) -> None:
        self._groups.remove(group)
        await ended(group.tasks)

    # --- status -----------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Returns whether all wanted listings are received, and the counts."""
        listed = self.universe.listings
        groups = [group.feed.status() for group in self._groups]
        hears = self.poller.hears if self.poller is not None else bool(groups) and all(g["hears"] for g in groups)
        stale = {symbol: ms for group in groups for symbol, ms in group["stale_ms"].items()}
        return {
            "name": self.options.name,
            "kind": self.options.kind,
            "transport": self.options.transport,
            "hears": hears,
            "symbols": sorted(listed),
            "missing": self._missing,
            "frames": self.tape.writer.published,
            "messages": sum(g["messages"] for g in groups),
            "rejected": sum(g["rejected"] for g in groups),
            "unsubscribed": sum(g["unsubscribed"] for g in groups),
            "repeated": self._overlap.repeated,
            "connections": sum(len(group.tasks) for group in self._groups),
            "renewed": sum(group.feed.renewed for group in self._groups),
            "connects_waited": self.pace.waited,
            "stale_ms": stale,
            "books": self.depth.synced,
            "clock_offset_ns": self.clock.offset,
            "budget": self.budget.status(),
            "malformed": dict(self.rejects.counts),
            **({"polls": self.poller.status()} if self.poller is not None else {}),
            **({"klines": self.klines.status()} if self.klines is not None else {}),
        }

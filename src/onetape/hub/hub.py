"""The hub: follows the journals of all collectors and writes one market (hub_tape.py). The core decides which messages
are taken (core/market/merge.hpp); this module handles the rest: listings, the state of each source, pins, and the table
for late readers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape._core import MERGE_NONE, MERGE_OUTCOMES, Merge
from onetape.feeds.hub_table import LEVELS
from onetape.hub.hub_tape import CURSORS_EVERY, HubTape
from onetape.hub.listings import Listing, Listings, Placed
from onetape.hub.market_table import MarketTable
from onetape.hub.source_health import FeedState, SourceHealth
from onetape.hub.sources import Source, Sources
from onetape.ipc.door import Command, Do, Door, Handler
from onetape.ipc.names import process_socket
from onetape.ipc.server import Stream, listen
from onetape.market.silence import Attention
from onetape.model.enums import EventType
from onetape.model.errors import MarketDataUnavailable, OnetapeError, UnknownSymbol, UsageError, check
from onetape.model.home import hub_journal
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.net.tasks import ended
from onetape.options.hub import HUB, HubOptions
from onetape.tape.journal import type_id
from onetape.tape.wait import JournalWatch

__all__ = ["Hub"]

FRAMES_MAX: Final = 1 << 14  # per call of the core
TURNS_MAX: Final = 64  # calls in one turn of the loop
TICK_S: Final = 0.05
LOOK_EVERY: Final = SECOND // 5  # interval of checks of the sources' states
SLOW_EVERY: Final = SECOND
AWAY: Final = 60 * SECOND  # wait before an unreadable journal is tried again
ROWS_MAX: Final = 250  # rows of the table written per tick
PIN, AUTO = "pin", "auto"
_INSTRUMENT, _HEALTH = type_id(EventType.INSTRUMENT), type_id(EventType.HEALTH)
_TYPES: Final = {type_id(each): str(each) for each in EventType}
_TAKEN, _BAD, _CORRECTED = (MERGE_OUTCOMES.index(each) for each in ("taken", "bad", "corrected"))


class Hub:
    """Merges the collectors into one market. `run` returns when `stopping` is set. Raises JournalLocked if a hub runs
    already."""

    def __init__(self, options: HubOptions) -> None:
        self.options = options
        self.stopping = asyncio.Event()
        home = Path(options.home)
        self._tape = HubTape(hub_journal(home))
        recovered = self._tape.recovered
        self._merge = Merge(self._tape.writer.core, options.stale_ns, options.filters)
        for rank, _ in enumerate(options.sources):
            self._merge.add_source(rank)
        self._listings = Listings(recovered.instruments, recovered.ended)
        for listing in self._listings.all:
            self._merge.add_symbol()
            if listing.is_ended:
                self._merge.end(listing.number)
        if recovered.since > 0:
            self._merge.forget_until(recovered.since)
        self._table = MarketTable(home, options.klines, self._listings.all)
        for number, bar in self._table.kept:
            self._merge.restore_bar(number, bar)
        with self._tape.own_frames() as own:
            self._merge.restore(own.core)
        self._sources = Sources(options.sources, self._merge, recovered.cursors)
        self._health = SourceHealth(len(options.sources), options.stale_ns)
        self._attention = Attention()
        self._touched: dict[int, None] = {}  # listings whose row must be written
        self._stale: dict[int, int] = {}  # listings without a fresh source: time of the last synthetic quote, ns
        self._pins: dict[str, str] = {}
        for past in self._tape.past_commands:
            if past.command == PIN and past.status == "applied":
                self._set_pin(past.fields["symbol"], past.fields["source"])
        handlers = {
            PIN: Handler(self._pin, fields=("symbol", "source")),
            "status": Handler(lambda _: self.snapshot, asks=True, anyone=True),
        }
        self.door = Door((HUB,), home, handlers, self._tape, level="process", now=time.time_ns, once=self._tape.once)
        self._stream = Stream()
        self._failed: BaseException | None = None
        self._watch: JournalWatch | None = None
        self._looked = self._slow = 0
        self._marked = time.monotonic_ns()

    async def run(self, ready: Callable[[], None]) -> None:
        """Runs until stopped. Raises the errors of the hub's own journal."""
        path = process_socket(Path(self.options.home), HUB)
        try:
            self._follow_missing()
            self._say_sources()
            loop = asyncio.get_running_loop()
            self._watch = JournalWatch(self._sources.waiter, self._take, loop)
            serving = await listen(
                path, self.door.handle, self.door.settle, self._stream, is_operator=self.door.is_operator
            )
            working = [asyncio.ensure_future(each) for each in (serving, self._tick())]
            ready()
            stopped = asyncio.ensure_future(self.stopping.wait())
            await asyncio.wait([stopped, *working], return_when=asyncio.FIRST_COMPLETED)
            found = await ended([stopped, *working])
            self._watch.close()
            path.unlink(missing_ok=True)
            for error in (self._failed, *found):
                if isinstance(error, Exception):
                    raise error
            self._merge.write_cursors()
        finally:
            self._sources.close()
            self._table.close()
            self._tape.close()

    # --- merging ----------------------------------------------------------------------------------

    def _take(self) -> None:
        """Merges new frames; a flood is spread over later turns of the loop, so that commands get theirs."""
        try:
            for _ in range(TURNS_MAX):
                taken = self._merge.take(FRAMES_MAX)
                if not isinstance(taken, bool):
                    self._heard(*taken)
                elif not taken and not self._spun():
                    return
        except OnetapeError as error:
            self._failed = self._failed or error
            self.stopping.set()

    def _spun(self) -> bool:
        """Waits briefly for new frames; returns whether there are any."""
        spin = self.options.spin_s
        return spin > 0 and self._sources.waiter.wait(spin, spin=spin)

    def _heard(self, number: int, type_: int, stream: int, at: int, payload: bytes) -> None:
        source = self._sources.all[number]
        if type_ == _INSTRUMENT:
            self._placed(number, stream, self._listings.announced(number, stream, Instrument.from_msgpack(payload)), at)
        elif type_ == _HEALTH:
            record = msgspec.msgpack.decode(payload)
            match record.get("kind"), record.get("state"):
                case "listing", "delisted":
                    if (listing := self._listings.ended_by(number, int(record.get("number", 0)))) is not None:
                        self._end(listing, at)
                case "listing", ("dropped" | "listed") as state:
                    self._followed(number, int(record.get("number", 0)), is_followed=state == "listed")
                case "feed", _:
                    source.health(record)
                    self._health.connection(number, is_lost=source.is_lost)
        else:
            reason = payload.decode(errors="replace")[:500]
            self._say("source", "unreadable", subject=source.options.name, about={"reason": reason}, warned=True)
            self._sources.leave(source)
            source.away_until = time.monotonic_ns() + AWAY

    def _placed(self, source: int, stream: int, placed: Placed, at: int) -> None:
        if placed.ended is not None:
            self._end(placed.ended, at)
        listing = placed.listing
        if listing is None:
            self._merge.map(source, stream, MERGE_NONE)
            return
        if placed.is_new:
            number = self._merge.add_symbol()
            check(number == listing.number, "listings and symbols are not the same", location=HUB)
            self._say("listing", "listed", subject=listing.symbol, about={"number": listing.number})
            self._set_pin(listing.symbol, self._pins.get(listing.symbol, AUTO))
        if placed.is_new or placed.is_changed:
            self._tape.instrument(listing.number, listing.instrument, at)
        self._merge.map(source, stream, listing.number)

    def _end(self, listing: Listing, at: int) -> None:
        """Ends a listing: removes all its values, and no source can bring them back."""
        self._merge.end(listing.number)
        self._health.forget(listing.number)
        self._stale.pop(listing.number, None)
        self._table.remove(listing.symbol)
        self._say("listing", "delisted", subject=listing.symbol, about={"number": listing.number})

    def _followed(self, source: int, stream: int, *, is_followed: bool) -> None:
        """Handles a source that follows or drops a listing. A listing without sources has no row; it keeps its number
        if it is followed again."""
        listing = self._listings.followed_by(source, stream, is_followed=is_followed)
        if listing is None:
            return
        self._health.forget(listing.number, source)
        if not listing.sources:
            self._stale.pop(listing.number, None)
            self._table.remove(listing.symbol)
            self._say("listing", "dropped", subject=listing.symbol, about={"number": listing.number})

    def _follow_missing(self) -> None:
        for source in self._sources.missing():
            if time.monotonic_ns() < source.away_until:
                continue
            instruments = self._sources.follow(source)
            if instruments is None:
                continue
            self._health.begun(source.number)
            for stream, placed in self._listings.followed(source.number, instruments):
                self._placed(source.number, stream, placed, time.time_ns())
            self._merge.write_cursors(True)  # from here on no frame of the source is missed
            if self._watch is not None:
                self._watch.look()

    # --- the state of the sources -----------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            self._look(time.monotonic_ns(), time.time_ns())
            if self._watch is not None:  # the last frames of a flood wait in the core
                self._watch.look()
            await asyncio.sleep(TICK_S)

    def _look(self, steady: int, now: int) -> None:
        self._attention.look(steady)
        attended = self._attention.now
        for source in self._sources.all:
            if source.begins_anew():
                self._health.begun(source.number)
            self._health.process(source.number, is_alive=source.is_alive(attended))
        is_time = steady - self._looked >= LOOK_EVERY
        if is_time:
            self._looked = steady
            spoken = self._merge.spoken()
            self._health.heard(spoken, attended)
            self._touched |= dict.fromkeys(symbol for _, symbol in spoken)
            self._say_bad_ticks()
            self._merge.write_cursors()
        for change in self._health.look(attended):
            name = self.options.sources[change.source].name
            is_warned = change.state is FeedState.FAILING
            self._say("source", change.state.word, subject=name, about={"why": change.why}, warned=is_warned)
            for each in self._sources.all:  # of simultaneous values the better source's are taken
                self._merge.set_rank(each.number, each.number + 1000 * self._health.state(each.number))
        if is_time:
            self._synthesize(now)
        if steady - self._slow >= SLOW_EVERY:
            self._slow = steady
            self._follow_missing()
            for number, latency in enumerate(self._latencies()):
                self._health.late(number, latency or 0.0)
            self._stream.show(self.summary())
        if steady - self._marked >= CURSORS_EVERY:
            self._marked = steady
            self._say_sources()
            self._merge.write_cursors(True)
        self._write_rows()
        self._table.alive(now)
        self._tape.writer.progress(self._tape.writer.published)

    def _synthesize(self, now: int) -> None:
        """Marks symbols whose sources are all silent or failing as stale, and while their last quotes are usable,
        writes the median as a synthetic quote."""
        for listing in self._listings.current.values():
            number = listing.number
            covering = [each for each in listing.sources if self._merge.counts(each, number)[0]]
            if listing.is_ended or not covering:
                continue
            is_fresh = any(self._health.is_fresh(each, number) for each in covering)
            if is_fresh and number in self._stale:
                del self._stale[number]
                self._say("market", "fresh", subject=listing.symbol)
            elif not is_fresh:
                if number not in self._stale:
                    self._stale[number] = 0
                    bound = min(self._health.bound_ns(each, number) for each in covering)
                    self._say("market", "stale", subject=listing.symbol, about={"bound_ns": bound}, warned=True)
                if now - self._stale[number] >= SECOND:
                    self._stale[number] = now
                    self._merge.write_median(number, now)

    def _latencies(self) -> list[float | None]:
        """Returns by how much each source is slower than the fastest of its venue, ns; None: unknown. The fastest's own
        delay cannot be separated from the offset of the clocks."""
        fastest: dict[str, int] = {}
        delays = [self._merge.delay(each.number) for each in self._sources.all]
        venues = [self._venue(each) for each in self._sources.all]
        for venue, (floor, _) in zip(venues, delays, strict=True):
            if floor is not None:
                fastest[venue] = min(floor, fastest.get(venue, floor))
        return [
            None if floor is None else mean - fastest[venue]
            for venue, (floor, mean) in zip(venues, delays, strict=True)
        ]

    def _venue(self, source: Source) -> str:
        named = (each.symbol.partition(":")[0] for each in self._listings.all if source.number in each.sources)
        return next(named, "")

    def _say_bad_ticks(self) -> None:
        for number, symbol, sequence, type_, rule in self._merge.bad_ticks():
            source = self.options.sources[number].name
            about = {"source": source, "source_sequence": sequence, "event": _TYPES[type_]}
            self._say("quarantine", rule, subject=self._listings.all[symbol].symbol, about=about)
        for symbol, ts_open, is_filled in self._merge.made_bars():
            words = "filled from its trades" if is_filled else "differs from its trades"
            self._say("bars", words, subject=self._listings.all[symbol].symbol, about={"ts_open": ts_open})

    def _write_rows(self) -> None:
        rows = list(islice(self._touched, ROWS_MAX))
        for number in rows:
            del self._touched[number]
            listing = self._listings.all[number]
            if listing.sources and not listing.is_ended:
                self._table.put(listing, self._merge.values(number), self._tape.writer.published)
                self._table.put_book(listing, self._merge.levels(number, LEVELS), self._tape.writer.published)
        for number, *bar in self._merge.bars():
            self._table.put_bar(self._listings.all[number], bar, self._tape.writer.published)

    def _say_sources(self) -> None:
        sources = [
            {"number": number, "name": each.name, "transport": each.transport, "state": self._health.state(number).word}
            for number, each in enumerate(self.options.sources)
        ]
        over = [each.number for each in self._listings.current.values() if each.is_ended]
        self._tape.sources(sources, over, time.time_ns())

    def _say(
        self, kind: str, state: str, *, subject: str, about: dict[str, object] | None = None, warned: bool = False
    ) -> None:
        self._tape.health(kind, state, time.time_ns(), subject=subject, about=about or {}, warned=warned)

    # --- commands and queries ---------------------------------------------------------------------

    def _pin(self, command: Command) -> Do:
        symbol, name = command.fields.get("symbol"), command.fields.get("source")
        if not isinstance(symbol, str) or not isinstance(name, str):
            raise UsageError("give symbol=SYMBOL and source=SOURCE, or source=auto", location=PIN)
        listing = self._listings.current.get(symbol)
        if listing is None or listing.is_ended:
            there = ", ".join(sorted(self._listings.current)[:8])
            raise UnknownSymbol(
                f"no market of {symbol[:80]!r}", location="hub", todo=f"there are {there or 'none yet'}"
            )
        if name != AUTO:
            source = self._sources.by_name.get(name)
            if source is None or source.number not in listing.sources:
                there = ", ".join(self.options.sources[each].name for each in sorted(listing.sources))
                raise UsageError(f"{symbol} has no source {name[:80]!r}", location=PIN, todo=f"it has {there}, or auto")
            if self._health.state(source.number) is FeedState.FAILING:
                why = self._health.why(source.number)
                raise MarketDataUnavailable(f"{name} is failing: {why}", location=PIN, todo="pin it when it is back")

        def do() -> dict[str, Any]:
            self._set_pin(symbol, name)
            return {"symbol": symbol, "source": name}

        return do

    def _set_pin(self, symbol: str, name: str) -> None:
        """Sets a pin by name, so that it also holds for a symbol that is listed again, and for a source that is missing
        for a while."""
        if name == AUTO:
            self._pins.pop(symbol, None)
        else:
            self._pins[symbol] = name
        source = self._sources.by_name.get(name)
        listing = self._listings.current.get(symbol)
        if listing is not None:
            self._merge.pin(listing.number, MERGE_NONE if source is None else source.number)

    def summary(self) -> dict[str, Any]:
        """Returns the state for followers: the sources and counts."""
        sources = [
            {"source": each.name, "state": self._health.state(number).word, "why": self._health.why(number)}
            for number, each in enumerate(self.options.sources)
        ]
        listed = sum(not each.is_ended for each in self._listings.current.values())
        return {"sources": sources, "symbols": listed, "frames": self._tape.writer.published}

    def snapshot(self) -> dict[str, Any]:
        """Returns each source of each symbol, for `onetape feeds`, and what is not merged."""
        latencies = self._latencies()
        now = time.time_ns()
        rows = [
            self._row(listing, source, latencies[source], now)
            for listing in self._listings.current.values()
            if not listing.is_ended
            for source in sorted(listing.sources)
        ]
        made = dict(zip(("filled", "agreed", "differed"), self._merge.made_counts, strict=True))
        return {
            "feeds": rows,
            "passed_over": self._merge.passed_over,
            "bars_of_trades": made,
            "frames": self._tape.writer.published,
        }

    def _row(self, listing: Listing, number: int, latency: float | None, now: int) -> dict[str, Any]:
        received, _, behind, outcomes, disagreed = self._merge.counts(number, listing.number)
        taken = [self._merge.counts(each, listing.number)[3][_TAKEN] for each in listing.sources]
        source = self._sources.all[number]
        return {
            "source": source.options.name,
            "venue": listing.symbol.partition(":")[0],
            "symbol": listing.symbol,
            "transport": source.options.transport,
            "state": self._health.state(number, listing.number).word,
            "latency_ms": None if latency is None else round(latency / 1e6, 3),
            "age_ms": None if not received else round((now - received) / 1e6, 3),
            "errors": source.errors + outcomes[_BAD] + disagreed,
            "share": round(outcomes[_TAKEN] / total, 4) if (total := sum(taken)) else 0.0,
            "pinned": self._pins.get(listing.symbol) == source.options.name,
            "behind_ms": round(behind / 1e6, 3),
            "corrected": outcomes[_CORRECTED],
            "why": self._health.why(number),
        }

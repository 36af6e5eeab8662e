"""The gateway's world with a hub: its market comes by the core's merge of two sources, which freeze, step
back and disagree, over journals that are written and read as by processes. The hub stands still at
times, and says when all its sources are silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from onetape._core import Merge
from onetape.feeds.hub_market import SILENT_MAX, HubMarket
from onetape.model.enums import RequestKind
from onetape.model.home import hub_journal
from onetape.options.collector import collector_journal
from onetape.options.gateway import HubOfGateway
from onetape.orders.managed import IntentOut, Out
from onetape.simulation.gateway_life import Home
from onetape.simulation.invariants import check, is_handed_over, is_made_smaller
from onetape.simulation.world import MS, SECOND, World
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.payloads import fields

EVERY = 200 * MS  # a source's quotes
SILENT = 3 * SECOND // 2  # of all sources: the hub says so
_QUOTE = fields("quote", "ts_event", "ts_recv", "bid", "ask", "bid_size", "ask_size")
FROZEN_S, STILL_S = 15, 40  # from one freeze of a source, and of the hub, to the next


class SourceJournal:
    """What a collector writes."""

    def __init__(self, home: Path, name: str, now: int, uuid: bytes) -> None:
        path = collector_journal(home, name)
        self.writer = JournalWriter(path, process=f"collector:{name}", uuid=uuid, durable=False, created=now)
        self.streams: dict[str, int] = {}

    def quote(self, symbol: str, bid: int, ask: int, *, at: int, recv: int) -> None:
        self.writer.append("quote", _QUOTE.pack(at, recv, bid, ask, 10, 10), stream=self.streams[symbol], time=recv)


@dataclass
class _Source:
    """frozen_until: it brings nothing. instruments: their streams are their places from 1."""

    journal: SourceJournal
    reader: JournalReader
    frozen_until: int = 0
    spoke: int = 0


@dataclass
class HubWorld(World):
    """`World(...)` whose gateway reads a hub."""

    _home: Path = Path()  # of its first gateway
    hub: HubMarket | None = None
    beats = 1
    still_until = 0  # the hub
    sources: list[_Source] = field(default_factory=list)

    def begin_gateway(self, home: Home, **options: Any) -> None:
        if not self.sources:
            self._home = home.path
            self._begin_hub()
        super().begin_gateway(home, **options)
        self.hub = HubMarket(
            HubOfGateway(journal=str(hub_journal(self._path)), symbols=self.symbols),
            [i for i in self.instruments if i.symbol in self.symbols],
            lambda symbol, middle: self.core.reference_prices.quoted(symbol, middle, self.moment().steady),
            self.core.say,
            lambda: self.now,
            heartbeat=lambda _: self.beats,
        )
        self.hub.look(self.now)

    @property
    def hub_path(self) -> Path:
        return hub_journal(self._path)

    @property
    def _path(self) -> Path:
        return self._home

    def _begin_hub(self) -> None:
        self.writer = JournalWriter(
            hub_journal(self._path), process="hub", uuid=self.identity("hub"), durable=False, created=self.now
        )
        self.merge = Merge(self.writer.core, 2 * SECOND, True)
        self.live_at = dict.fromkeys(self.symbols, self.now)  # when the hub took a quote last
        self.stale: set[str] = set()
        self.newest: dict[int, int] = {}  # by stream of the hub's: venue time of the last quote
        for number, name in enumerate(("ws", "rest")):
            journal = SourceJournal(self._path, name, self.now, self.identity(name))
            for symbol in self.symbols:
                instrument = next(i for i in self.instruments if i.symbol == symbol)
                facts = instrument.to_msgpack()
                journal.streams[symbol] = self.symbols.index(symbol) + 1
                journal.writer.append_instrument(journal.streams[symbol], self.now, facts)
            reader = JournalReader(journal.writer.path)
            self.sources.append(_Source(journal, reader))
            self.merge.add_source(number)
        for number, source in enumerate(self.sources):
            self.merge.follow(number, source.reader.core)
        for place, symbol in enumerate(self.symbols):
            self.merge.add_symbol()
            instrument = next(i for i in self.instruments if i.symbol == symbol)
            self.writer.append_instrument(place + 1, self.now, instrument.to_msgpack())
            for number in range(len(self.sources)):
                self.merge.map(number, place + 1, place)
        self.own = JournalReader(hub_journal(self._path))

    # --- the market -----------------------------------------------------------------------------------

    def silent_ns(self, symbol: str) -> int:
        if self.hub is None:
            return 0
        self.hub.take()  # as a gateway's process does before each round of requests
        return self.hub.silent_ns(symbol)

    def silent_max_ns(self, symbol: str) -> int:
        return self.hub.bound_ns(symbol) if self.hub is not None else 0

    def venue_step(self) -> None:
        super().venue_step()
        for number, source in enumerate(self.sources):
            self._speak(number, source)
        if self.chance_each(STILL_S) and self.still_until < self.now:
            self.seen["hub still"] += 1
            self.still_until = self.now + int(self.random.uniform(0.2, 5) * SECOND)
        if self.now >= self.still_until or self.is_quiet:
            self._turn_hub()

    def chance_each(self, seconds: float) -> bool:
        """About once in so many, at a few dozen looks a second."""
        return not self.is_quiet and self.random.random() < 0.02 / seconds

    def _speak(self, number: int, source: _Source) -> None:
        if self.is_quiet:
            source.frozen_until = 0
        if self.chance_each(FROZEN_S):
            self.seen["source frozen"] += 1
            both = self.random.random() < 0.5
            for each in self.sources if both else [source]:
                each.frozen_until = self.now + int(self.random.uniform(0.2, 6) * SECOND)
        if self.now < source.frozen_until or self.now - source.spoke < EVERY:
            return
        source.spoke = self.now
        for place, symbol in enumerate(self.symbols):
            listing = self.exchange.listings[place]
            bid, ask, at = listing.bid, listing.ask, self.now - 5 * MS * number
            if not bid or not ask:
                continue
            if not self.is_quiet and self.random.random() < 0.05:
                self.seen["step back"] += 1
                at -= int(self.random.uniform(0.1, 3) * SECOND)
            elif not self.is_quiet and self.random.random() < 0.02:
                self.seen["disagrees"] += 1
                bid, ask = bid - bid // 1000, ask - ask // 1000
            source.journal.quote(symbol, bid, ask, at=at, recv=self.now)

    def _turn_hub(self) -> None:
        self.beats += 1
        while self.merge.take(1 << 14) is not False:
            pass
        for frame in self.own:
            if frame.type != "quote":
                continue
            check(frame.data["ts_event"] >= self.newest.get(frame.stream, 0), "the hub's market steps back")
            self.newest[frame.stream] = frame.data["ts_event"]
            self.live_at[self.symbols[frame.stream - 1]] = self.now
        for symbol in self.symbols:
            silent = self.now - self.live_at[symbol] > SILENT
            if silent != (symbol in self.stale):
                self.stale ^= {symbol}
                self.seen["stale" if silent else "fresh"] += 1
                record = {"kind": "market", "subject": symbol, "state": "stale" if silent else "fresh"}
                self.writer.append("health", msgspec.msgpack.encode({**record, "bound_ns": SILENT}), time=self.now)
        self.turned = self.now

    # --- what has to hold -----------------------------------------------------------------------------

    def gateway_step(self) -> None:
        if self.hub is not None and not self.is_dead:
            self.hub.look(self.now)
        super().gateway_step()

    def out(self, out: Out) -> None:
        if isinstance(out, IntentOut) and out.kind is not RequestKind.CANCEL and not out.is_reissue:
            spec = out.order.spec
            is_less = is_made_smaller(out) or is_handed_over(out.order) or self.gate.reduces(spec, out.order)
            if out.order.robot and not is_less:
                check(spec.symbol not in self.stale, f"{out.kind} on a market that the hub calls stale")
                # A look more: the hub fell still between two.
                still = self.now - self.turned
                check(still <= SILENT_MAX + SECOND // 4, f"{out.kind} while the hub stands still")
        super().out(out)

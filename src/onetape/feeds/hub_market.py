"""Follows the hub's journal, as the market of a gateway. A symbol's market is stale, and only reductions may rely on
it, if

    the hub reports it: all sources of the symbol are silent or failing
    its newest quote is synthetic
    the hub has not brought a quote since it was started
    the hub has had no heartbeat for half a second, or none since this process began, or its journal is gone
    its frames are late: older than the bound when they are read

Reading a quote again, or a hub that catches up after a restart, makes no market fresh. What a hub has reported about
its sources is no longer valid after its process has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape._core import FLAG_SOURCE_SHIFT, FLAG_SYNTHETIC
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, SECOND
from onetape.options.gateway import HubOfGateway
from onetape.orders.managed import HealthOut
from onetape.tape.incarnation import Incarnation
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from onetape.venues.live_market import NO_TOP, Top

__all__ = ["HubMarket"]

LOOK_BACK: Final = MINUTE  # read at the start: for the newest quotes, and the listings
SILENT_MAX: Final = SECOND // 2  # longest attended time without a heartbeat of the hub
SYNTHETIC: Final = "synthetic"


@dataclass(slots=True)
class _Market:
    """The market of one symbol. received: when a collector received the newest quote that is not synthetic, ns UTC.
    why: the reason why the market was stale at the last `look`, "" if it was fresh."""

    instrument: Instrument
    top: Top = NO_TOP
    received: int = 0
    sequence: int = 0  # of the newest quote, on the hub's journal
    source: int = -1
    is_synthetic: bool = False
    is_late: bool = False
    silent_bound: int = 0  # the hub reports that all sources have been silent for longer than this, ns; 0: it does not
    why: str = "has not spoken"


class HubMarket:
    """Follows the hub's market for a gateway. quoted: called with symbol and mid, in units, of each quote. say: called
    with reports for robots and alerts. wall: the machine's clock, ns UTC. heartbeat: returns the hub's heartbeat, a
    number that changes while the hub is alive; 0: its process is gone."""

    def __init__(
        self,
        options: HubOfGateway,
        instruments: Sequence[Instrument],
        quoted: Callable[[str, int], None],
        say: Callable[[HealthOut], None],
        wall: Callable[[], int],
        heartbeat: Callable[[JournalReader], int] = lambda hub: hub.writer_alive and int(hub.control["heartbeat"]),
    ) -> None:
        self.path = Path(options.journal)
        self._stale_ns = options.stale_ns
        self._tell_quote = quoted
        self._say = say
        self._wall = wall
        self._heartbeat_of = heartbeat
        wanted = set(options.symbols)
        self._markets = {i.symbol: _Market(i) for i in instruments if i.symbol in wanted}
        self._streams: dict[int, _Market] = {}
        self._sources: dict[int, str] = {}
        self._quotes: JournalReader | None = None  # two cursors on one journal: for quotes, and for rare frames
        self._news: JournalReader | None = None
        self._hub: Incarnation | None = None
        self._heartbeat = self._beat_at = 0
        self._is_alive = False
        self._attended = 0
        self._reported: set[str] = set()
        self.frames = 0  # quotes read

    @property
    def symbols(self) -> list[str]:
        return list(self._markets)

    @property
    def streams(self) -> frozenset[int]:
        """Returns the stream numbers of this market's symbols on the hub's journal."""
        return frozenset(self._streams)

    @property
    def hears(self) -> bool:
        """Tells whether all symbols have had a quote."""
        return all(each.received for each in self._markets.values())

    def top(self, symbol: str) -> Top:
        return self._markets[symbol].top

    def age_ns(self, symbol: str) -> int:
        """Returns the age in ns of the newest quote that is not synthetic; 0: none has come."""
        received = self._markets[symbol].received
        return max(self._wall() - received, 0) if received else 0

    def received(self, symbol: str) -> int:
        """Returns when a collector received the newest quote that is not synthetic, ns UTC; 0: none has come."""
        return self._markets[symbol].received

    def source(self, symbol: str) -> str:
        """Returns the collector of the newest quote."""
        return self._sources.get(self._markets[symbol].source, "hub")

    def silent_ns(self, symbol: str) -> int:
        """Returns the age in ns of a stale market; 0: it is fresh."""
        # Includes frames read since the last look.
        why, _ = self._judge(self._markets[symbol])
        return max(self.age_ns(symbol), 1) if why else 0

    def bound_ns(self, symbol: str) -> int:
        """Returns the age in ns from which a market is stale."""
        return self._judge(self._markets[symbol])[1] or self._stale_ns

    @property
    def stale(self) -> dict[str, str]:
        """Returns the stale symbols with their reasons."""
        return {symbol: each.why for symbol, each in self._markets.items() if each.why}

    def take(self) -> None:
        """Reads new frames of the hub."""
        if self._quotes is None or self._news is None or self._hub is None:
            return
        try:
            news = list(self._news.frames(("health", "instrument")))
            if news and self._hub.is_new():
                self._forget(self._hub.first)
            for frame in news:
                if frame.stream:
                    self._map(frame.stream, Instrument.from_msgpack(frame.payload))
                elif frame.sequence >= self._hub.first:
                    self._hear(msgspec.msgpack.decode(frame.payload))
            for rows in self._quotes.chunks("quote"):
                self.frames += len(rows)
                streams = rows["stream"]
                for stream, market in self._streams.items():
                    if len(found := (streams == stream).nonzero()[0]):
                        self._quote(market, rows[found], self._hub.first)
        except OnetapeError:  # the journal was pruned or replaced: begin again
            self._leave()

    def look(self, attended: int) -> None:
        """Reports markets that have become stale or fresh; call it a few dozen times a second. attended: time in ns
        during which this process was running (`Attention.now`)."""
        self._attended = attended
        if self._quotes is not None and self._quotes.is_gone:
            self._leave()
        if self._quotes is None:
            self._open()
        self.take()
        self._is_alive = self._beats()
        for symbol, market in self._markets.items():
            market.why, _ = self._judge(market)
            if bool(market.why) != (symbol in self._reported):
                self._say(HealthOut("feed", symbol, "stale" if market.why else "live"))
        before, self._reported = self._reported, set(self.stale)
        if self._reported and self._reported != before:
            words = ", ".join(f"{symbol} ({why})" for symbol, why in self.stale.items())
            self._say(HealthOut("market", "hub", f"stale: {words}"[:200], "warning"))
        elif before and not self._reported:
            self._say(HealthOut("market", "hub", "live"))

    def close(self) -> None:
        self._leave()

    def status(self) -> dict[str, Any]:
        return {
            "journal": str(self.path),
            "alive": self._is_alive,
            "frames": self.frames,
            "symbols": {
                symbol: {"source": self.source(symbol), "age_ms": self.age_ns(symbol) // 10**6, "stale": each.why}
                for symbol, each in self._markets.items()
            },
        }

    # --- reading --------------------------------------------------------------------------------------

    def _open(self) -> None:
        if not is_tape(self.path):
            return
        try:
            self._quotes, self._news = JournalReader(self.path), JournalReader(self.path)
            self._hub = Incarnation(self._news)
            for reader in (self._quotes, self._news):
                reader.seek_time(self._wall() - LOOK_BACK)
            for stream, record in self._news.instruments.items():
                self._map(stream, Instrument.from_msgpack(msgspec.msgpack.encode(record)))
        except OnetapeError:  # the journal is just being created
            self._leave()

    def _leave(self) -> None:
        for reader in (self._quotes, self._news):
            if reader is not None:
                reader.close()
        self._quotes = self._news = self._hub = None
        self._streams.clear()
        self._heartbeat = 0

    def _forget(self, first: int) -> None:
        """Drops reports older than this sequence, because a new hub has begun there. Prices of the former hub stay as
        reference prices."""
        for market in self._markets.values():
            market.silent_bound = 0
            if market.sequence < first:
                market.received = market.sequence = 0

    def _beats(self) -> bool:
        beat = self._heartbeat_of(self._quotes) if self._quotes is not None else 0
        if not beat:
            return False
        if beat != self._heartbeat:
            if self._heartbeat:  # the first heartbeat seen may be an old one, of a hub that is stuck
                self._beat_at = self._attended
            self._heartbeat = beat
        return self._attended - self._beat_at <= SILENT_MAX

    def _judge(self, market: _Market) -> tuple[str, int]:
        if not self._is_alive:
            return "the hub is away", SILENT_MAX
        if not market.received:
            return "has not spoken", self._stale_ns
        if market.silent_bound:
            return "all sources are silent or failing", market.silent_bound
        if market.is_synthetic:
            return SYNTHETIC, self._stale_ns
        if market.is_late:
            return "late", self._stale_ns
        return "", 0

    def _map(self, stream: int, instrument: Instrument) -> None:
        """Maps a stream of the hub to a symbol. An instrument whose units differ from the gateway's would give wrong
        prices, and is left out."""
        market = self._markets.get(instrument.symbol)
        if market is None:
            return
        own = market.instrument
        if (own.price_decimals, own.size_decimals) == (instrument.price_decimals, instrument.size_decimals):
            self._streams = {number: each for number, each in self._streams.items() if each is not market}
            self._streams[stream] = market

    def _hear(self, record: Mapping[str, Any]) -> None:
        match record.get("kind"), record.get("state"):
            case "hub", "sources":
                self._sources = {int(each["number"]): str(each["name"]) for each in record["sources"]}
            case "market", ("stale" | "fresh") as state:
                market = self._markets.get(str(record.get("subject")))
                if market is not None:
                    market.silent_bound = int(record.get("bound_ns") or self._stale_ns) if state == "stale" else 0

    def _quote(self, market: _Market, rows: Any, first: int) -> None:
        """Takes a symbol's quotes, oldest first; the newest counts. first: first sequence of the running hub."""
        flags = rows["flags"]
        made = rows[((flags & FLAG_SYNTHETIC) == 0) & (rows["sequence"] >= first)]
        last = rows[-1]
        market.is_synthetic = bool(int(last["flags"]) & FLAG_SYNTHETIC)
        market.top = Top(int(last["bid"]), int(last["ask"]), int(last["bid_size"]), int(last["ask_size"]))
        if market.top.bid > 0 and market.top.ask > 0:
            self._tell_quote(market.instrument.symbol, (market.top.bid + market.top.ask) // 2)
        if len(made):
            newest = made[-1]
            market.source = (int(newest["flags"]) >> FLAG_SOURCE_SHIFT) - 1
            market.received, market.sequence = int(newest["time"]), int(newest["sequence"])
            market.is_late = self._wall() - market.received > self._stale_ns

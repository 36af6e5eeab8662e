"""Writes a collector's journal: the feed's events, its health, and commands.

quote, external   as the feed has them
health            kind `feed`: connected, lost, stale, gap, or `bad message`; `proxy`: makes no connection, or again
command, reply    commands; the followed topics are folded from these
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from onetape.collector.polled import PAST_MAX, Past
from onetape.data.instruments import find_instrument, read_instruments
from onetape.ipc.command_tape import CommandTape, PastCommand, commands_in
from onetape.market.stream_feed import BadOut, ExternalOut, FeedOut, HealthOut, QuoteOut, StreamFeed
from onetape.model import inference
from onetape.model.decimals import decimals_of, to_units
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument
from onetape.model.symbol import is_unified
from onetape.options.collector import CollectorOptions, collector_journal
from onetape.orders.managed import HealthOut as ProxyOut
from onetape.projections.once import Once
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.recovered_instruments import preamble_of, recovered_instruments

__all__ = ["StreamTape"]

SYMBOLS_MAX: Final = 4096  # symbols of one feed: a limit for publishers that invent names
DECIMALS: Final = 8  # decimals of an unknown symbol: fine enough for any, and 64 bits hold its numbers
INT64_MAX: Final = 2**63 - 1
_WARNED: Final = ("lost", "stale", "gap")


class StreamTape(CommandTape):
    """Writes a collector's journal. Raises JournalLocked if the collector runs already."""

    def __init__(self, options: CollectorOptions, feed: StreamFeed) -> None:
        path = collector_journal(Path(options.home), options.name)
        self._feed = feed
        self._own: Mapping[str, Instrument] = read_instruments(
            Path(options.instruments) if options.instruments else None
        )
        process = f"collector:{options.name}"
        recovered = recovered_instruments(path, process)
        super().__init__(
            JournalWriter(
                path, process=process, created=time.time_ns(), heartbeat=True, extra_preamble=preamble_of(recovered)
            )
        )
        self.once = Once()
        self.past_commands: list[PastCommand] = commands_in(path, self.once)
        # By symbol: number, decimals of prices and sizes, which never change.
        self._streams = {i.symbol: (number, i.price_decimals, i.size_decimals) for number, i in recovered.items()}
        for symbol in options.symbols:  # a robot may follow it before the feed's first message
            if symbol not in self._streams and is_unified(symbol):
                self._add(symbol, time.time_ns(), 0, 0)

    def close(self) -> None:
        self.writer.close()

    def past(self) -> Past:
        """Returns what is on the tape already."""
        with JournalReader(self.writer.path) as reader:
            reader.seek_sequence(max(1, reader.last_sequence - PAST_MAX))
            first = reader.next()  # what was known before has been delivered
            events = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("external",))]
        return Past(first.time if first else 0, events)

    def write(self, outs: Iterable[FeedOut | ProxyOut]) -> None:
        for out in outs:
            match out:
                case QuoteOut():
                    self._quote(out)
                case ExternalOut():
                    self._external(out)
                case HealthOut():
                    self._health(out.time, out.state, out.about, warned=out.state in _WARNED)
                case ProxyOut():
                    said = {name: text for name, text in out._asdict().items() if text != "info"}
                    self._say(time.time_ns(), said)
                case BadOut():
                    about = {"reason": out.reason, "count": out.count, "topic": out.topic, "head": out.head}
                    self._health(out.time, "bad message", about, warned=False)
        self.writer.progress(self.writer.published)

    def _quote(self, out: QuoteOut) -> None:
        try:
            stream, price_decimals, size_decimals = self._streams.get(out.symbol) or self._new_symbol(out)
            numbers = [
                to_units(getattr(out, name), decimals, what=name)
                for name, decimals in (
                    ("bid", price_decimals),
                    ("ask", price_decimals),
                    ("bid_size", size_decimals),
                    ("ask_size", size_decimals),
                )
            ]
        except (BadInput, ValueError):
            self.write(self._feed.refuse(out, "more decimals than its instrument has"))
            return
        if max(numbers) > INT64_MAX:
            self.write(self._feed.refuse(out, "a number beyond 64 bits"))
            return
        bid, ask, bid_size, ask_size = numbers
        self.writer.append_quote(stream, out.time, out.ts_event, bid, ask, bid_size, ask_size)

    def _new_symbol(self, out: QuoteOut) -> tuple[int, int, int]:
        if len(self._streams) >= SYMBOLS_MAX:
            raise BadInput(f"more than {SYMBOLS_MAX} symbols")
        prices = max(decimals_of(out.bid), decimals_of(out.ask))
        sizes = max(decimals_of(out.bid_size), decimals_of(out.ask_size))
        return self._add(out.symbol, out.time, prices, sizes)

    def _add(self, symbol: str, now: int, prices: int, sizes: int) -> tuple[int, int, int]:
        """Adds a symbol with facts of the options, else the catalogue's, else the finest steps. prices, sizes: decimals
        required."""
        listed = find_instrument(symbol, dict(self._own), now)
        if listed is None:
            instrument = inference.infer(
                symbol, price_decimals=max(DECIMALS, prices), size_decimals=max(DECIMALS, sizes)
            )
        else:
            instrument = inference.fit(listed, price_decimals=prices, size_decimals=sizes)
        made = (len(self._streams) + 1, instrument.price_decimals, instrument.size_decimals)
        self.writer.append_instrument(made[0], now, instrument.to_msgpack())
        self._streams[symbol] = made
        return made

    def _external(self, out: ExternalOut) -> None:
        try:
            payload = msgspec.msgpack.encode(out.record)
        except (OverflowError, RecursionError, msgspec.MsgspecError, ValueError):
            self._feed.counts["external"] -= 1
            self.write(self._feed.bad_value(out))
            return
        self.writer.append("external", payload, time=out.time)

    def _health(self, now: int, state: str, about: Mapping[str, object], *, warned: bool) -> None:
        record = {"kind": "feed", "subject": self._feed.rules.name, "state": state, **about}
        self._say(now, record | ({"severity": "warning"} if warned else {}))

    def _say(self, now: int, record: Mapping[str, object]) -> None:
        self.writer.append("health", msgspec.msgpack.encode(record), time=now)

"""Import recordings of cryptofeed into a tape: several venues' formats, many symbols at once.

Two passes: the first finds the instruments and the decimals they need, the second
writes. Files are merged by receipt, so that a depth answer of an `.http` file meets the changes
of its WebSocket file where it came.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from onetape import _core
from onetape.data.cryptofeed_lines import Line, LineKind, lines_of, parse_line
from onetape.data.importer import Outcome, SinkFactory
from onetape.data.instruments import Numbers, find_instrument, fitted
from onetape.data.naming import Naming
from onetape.data.rejects import Reject, RejectFile
from onetape.data.source import OnRead, Source
from onetape.model import catalogue
from onetape.model.errors import BadInput, InvariantViolation, NotAvailable, UnknownSymbol, UsageError
from onetape.model.instrument import Instrument
from onetape.model.symbol import is_option, parse_symbol
from onetape.venues.recorded import HOSTS, Market, market_of

_RAW_IN_URL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


_REJECTS_LISTED_MAX: Final = 10_000  # as the core's
# (raw name, number from 1 in the order of the tape, price decimals, size decimals, whether the decimals may grow)
_Stream = tuple[str, int, int, int, bool]


@dataclass(slots=True)
class _Pass:
    """The result of one pass over the files: a reader for each market, and counts of lines that are no message."""

    readers: dict[Market, _core.CaptureImport] = field(default_factory=dict)
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def reject(self, source: int, line: Line, reason: bytes) -> None:
        self.rejected += 1
        if self.rejected <= _REJECTS_LISTED_MAX:
            self.rejects.append((source, line.number, reason, line.whole.rstrip(b"\n")[:200]))


class CryptofeedImporter:
    """Imports one recording. naming: None imports every instrument in it, under the name derived from the venue's."""

    def __init__(
        self, sources: Sequence[Source], naming: Naming | None, *, own: dict[str, Instrument], on_read: OnRead
    ) -> None:
        self._sources = list(sources)
        self._naming = naming
        self._own = own
        self._on_read = on_read
        heads = [_head(source) for source in self._sources]
        self._markets = [market for market, _ in heads]
        self._began = min(receipt for _, receipt in heads)

    @property
    def source_names(self) -> list[str]:
        """Returns the sources' names; the source index of a reject is an index into this list."""
        return [source.name for source in self._sources]

    def run(self, sink_at: SinkFactory) -> Outcome:
        """Import into an empty sink. Raises BadInput where no message could be read."""
        measured = self._walk(None, {}, None)
        found: dict[Market, list[_Stream]] = {}
        instruments: list[Instrument] = []
        taken: dict[str, str] = {}
        seen: list[str] = []
        for market, reader in measured.readers.items():
            found[market] = []
            for index in range(reader.stream_count):
                raw, *numbers = reader.facts(index)
                seen.append(raw)
                symbol = self._name(market, raw)
                if symbol is None:
                    continue
                if symbol in taken:
                    raise BadInput(
                        f"{taken[symbol]} and {raw} are both {symbol}",
                        location=market.venue,
                        todo="say which is which: --symbol RAW=symbol,...",
                    )
                taken[symbol] = raw
                instrument = self._instrument(symbol, Numbers(*numbers))
                instruments.append(instrument)
                decimals = instrument.price_decimals, instrument.size_decimals
                found[market].append((raw, len(instruments), *decimals, False))
        self._check_names(taken, seen)
        sink, rejects = sink_at()
        for number, instrument in enumerate(instruments, 1):
            sink.instrument(number, instrument.to_msgpack())
        written = self._walk(sink, found, rejects)
        return self._outcome(written, instruments, sink, rejects)

    def _instrument(self, symbol: str, numbers: Numbers) -> Instrument:
        listed = find_instrument(symbol, self._own, self._began)
        return fitted(symbol, listed, numbers)

    def _outcome(
        self, written: _Pass, instruments: list[Instrument], sink: _core.TapeSink, rejects: RejectFile
    ) -> Outcome:
        if not sink.counts()[0]:
            raise BadInput(
                f"no message could be read{rejects.why}",
                location=", ".join(self.source_names),
                todo="check its first lines and its KIND",
            )
        ignored = written.ignored.copy()
        readers = written.readers.values()
        for reader in readers:
            ignored.update(reader.passed_over)
            for raw, count in reader.unmapped.items():
                ignored[f"{'option' if is_option(raw) else 'symbol'} {raw}"] += count
        return Outcome(
            instruments=instruments,
            rejected=written.rejected + sum(reader.rejected for reader in readers),
            gaps=sum(reader.gaps for reader in readers),
            unsynced=sum(reader.unsynced for reader in readers),
            snapped=sum(reader.snapped for reader in readers),
            ignored=ignored,
        )

    def _walk(
        self, sink: _core.TapeSink | None, streams: dict[Market, list[_Stream]], rejects: RejectFile | None
    ) -> _Pass:
        """Read all lines of all sources in the order of their receipt. sink None: only measure."""
        walk = _Pass()
        markets = list(self._markets)
        for _, index, line in heapq.merge(*(self._timed(index, source) for index, source in enumerate(self._sources))):
            kind = line.kind
            if kind is LineKind.RECEIVED:
                reader = self._reader(walk, markets[index], sink, streams)
                _check(reader.message(index, line.number, line.receipt, line.body), sink)
            elif kind is LineKind.ANSWERED:
                self._answer(walk, index, line, sink, streams)
            elif kind is LineKind.CONNECTED:
                markets[index] = _market(line.url, self._sources[index])
                self._reader(walk, markets[index], sink, streams).connected()
                walk.ignored["connection"] += 1
            elif kind is LineKind.SENT:
                walk.ignored["sent by the client"] += 1
            else:
                walk.reject(index, line, line.body)
        for reader in walk.readers.values():
            _check(reader.finish(), sink)
        if rejects is not None:
            rejects.add(walk.rejects)
            for reader in walk.readers.values():
                rejects.add(reader.take_rejects())
        return walk

    def _timed(self, index: int, source: Source) -> Iterator[tuple[tuple[int, int], int, Line]]:
        """Yields lines with their merge key. A line without a time follows the line before it, and lines of a file keep
        their order even if the clock was set back."""
        latest = 0
        for line in lines_of(source, self._on_read):
            latest = max(latest, line.receipt)
            yield (latest, index), index, line

    def _reader(
        self, walk: _Pass, market: Market, sink: _core.TapeSink | None, streams: dict[Market, list[_Stream]]
    ) -> _core.CaptureImport:
        reader = walk.readers.get(market)
        if reader is None:
            own, others_pass = streams.get(market, []), self._naming is not None
            reader = _core.CaptureImport(sink, market.load().as_core(), own, others_pass, sink is None)
            walk.readers[market] = reader
        return reader

    def _answer(
        self, walk: _Pass, index: int, line: Line, sink: _core.TapeSink | None, streams: dict[Market, list[_Stream]]
    ) -> None:
        """Process an answer to a request, which is a depth snapshot if the venue's message table says so."""
        market = _market(line.url, self._sources[index])
        table = market.load()
        parts = urlsplit(line.url)
        if not table.is_depth_answer(parts.path):
            walk.ignored["answer to a request"] += 1
            return
        raws = parse_qs(parts.query).get(table.depth_answer[1], [""])
        body = line.body.lstrip()
        if not _RAW_IN_URL.match(raws[0]) or not body.startswith(b"{"):
            walk.reject(index, line, b"answers no depth of a symbol")
            return
        # The answer itself does not name its instrument.
        named = b'{"symbol":"' + raws[0].upper().encode() + b'",' + body[1:]
        reader = self._reader(walk, market, sink, streams)
        _check(reader.message(index, line.number, line.receipt, named), sink)

    def _name(self, market: Market, raw: str) -> str | None:
        """Returns the symbol of a raw name; None if it was not requested, or is empty."""
        if self._naming is not None and self._naming.is_map:
            return dict(self._naming.pairs).get(raw)
        try:
            listed = catalogue.find_raw(market.venue, raw, kind=market.kind, at=self._began)
        except UsageError:  # several instruments have that name
            listed = None
        symbol = listed.symbol if listed is not None else self._guess(market, raw)
        if self._naming is not None and symbol != self._naming.symbols[0]:
            return None
        return symbol

    @staticmethod
    def _guess(market: Market, raw: str) -> str | None:
        for name in (market.unified(raw), raw):
            try:
                return parse_symbol(f"{market.venue}:{name}").text
            except (BadInput, NotAvailable):
                continue
        return None

    def _check_names(self, taken: dict[str, str], seen: list[str]) -> None:
        if self._naming is None:
            return
        for raw, symbol in self._naming.pairs:
            if symbol not in taken:
                there = ", ".join(sorted(seen)[:50]) or "no symbol"
                raise UnknownSymbol(
                    f"the recording has no {raw or symbol}", location="--symbol", todo=f"it has {there}"
                )


def _check(stop: int, sink: _core.TapeSink | None) -> None:
    """Raises the core's error, if any."""
    if stop and sink is not None:
        sink.check()
    if stop:
        raise InvariantViolation("a reader stopped without a reason")


def _market(url: str, source: Source) -> Market:
    market = market_of(url)
    if market is None:
        raise BadInput(
            f"the recording is of an unknown host: {url[:100]!a}",
            location=source.name,
            todo=f"known are {', '.join(HOSTS)}",
        )
    return market


def _head(source: Source) -> tuple[Market, int]:
    """Returns market and first time of a file, from its first lines."""
    for number, text in enumerate(source.head().split(b"\n")[:20], 1):
        if not text.strip():
            continue
        line = parse_line(text + b"\n", number)
        if line.url:
            return _market(line.url, source), line.receipt
        # An answer's line may be longer than the part read, but its address and time come first.
        if line.kind is LineKind.BAD:
            break
    raise BadInput(
        "the file is no recording of cryptofeed: it does not begin with a wss:// or https:// line",
        location=source.name,
        todo="check its first lines and its KIND",
    )


__all__ = ["CryptofeedImporter"]

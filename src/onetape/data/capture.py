"""Import raw captures into a tape: lines `<receipt ns> <json>`, parsed by a venue's message table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onetape import _core
from onetape.data.importer import Outcome, SinkFactory
from onetape.data.instruments import Numbers, find_instrument, fitted
from onetape.data.naming import Naming
from onetape.data.rejects import RejectFile
from onetape.data.source import OnRead, Source
from onetape.model.enums import Origin
from onetape.model.errors import BadInput, InvariantViolation, UnknownSymbol, UsageError
from onetape.model.instrument import Instrument
from onetape.venues.protocol_table import Protocol

SEED_BYTES_MAX: Final = 64 << 20
_FAILED: Final = 1
_NEEDS_DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class Seed:
    """The initial book of a capture: the venue's depth snapshot. raw: its symbol, "" if the capture has only one."""

    raw: str
    snapshot: str  # JSON on one line


def read_seeds(path: Path) -> list[Seed]:
    """Read seeds from a venue's depth snapshot, or {"books": {RAW: snapshot}}; plain or .gz. Raises UsageError for
    an unreadable file, BadInput for other content.
    """
    try:
        raw = path.read_bytes()
        if raw.startswith(b"\x1f\x8b"):
            with gzip.open(path) as file:
                raw = file.read(SEED_BYTES_MAX + 1)
        if len(raw) > SEED_BYTES_MAX:
            raise BadInput(f"the file is larger than {SEED_BYTES_MAX:,} bytes", location=str(path))
        # Fractions stay as written: the core reads them exactly.
        document = json.loads(raw, parse_float=str)
    except (OSError, EOFError) as error:
        raise UsageError(
            f"the file cannot be read: {getattr(error, 'strerror', None) or error}".lower(),
            location=str(path),
            todo="check the path",
        ) from None
    except ValueError as error:
        raise BadInput(f"the file is not JSON: {error}", location=str(path)) from None
    books = document.get("books") if isinstance(document, dict) else None
    if isinstance(books, dict):
        found = books
    elif isinstance(document, dict) and "lastUpdateId" in document:
        found = {str(document.get("symbol", "")): document}
    else:
        raise BadInput("the file is no depth snapshot", location=str(path), todo="give the answer of GET depth")
    return [Seed(name, _on_one_line(book, name, path)) for name, book in sorted(found.items())]


def _on_one_line(book: object, raw: str, path: Path) -> str:
    keys = ("lastUpdateId", "bids", "asks")
    if not isinstance(book, dict) or any(key not in book for key in keys):
        raise BadInput("a book lacks lastUpdateId, bids or asks", location=f"{path} {raw}".strip())
    kept = {key: book[key] for key in ("lastUpdateId", "E", "T", "bids", "asks") if key in book}
    if raw:
        kept["symbol"] = raw
    return json.dumps(kept, separators=(",", ":"))


def first_receipt(source: Source) -> int:
    """Returns the receipt time of the first line that has one. Raises BadInput if none of the first lines has one."""
    for line in source.head().split(b"\n")[:100]:
        digits, _, rest = line.strip().partition(b" ")
        if digits.isdigit() and len(digits) <= 19 and rest.lstrip().startswith(b"{"):
            return int(digits)
    raise BadInput(
        "the file is no capture: none of its first lines is a receipt time in ns and a JSON message",
        location=source.name,
        todo="check its first lines and its KIND",
    )


class CaptureImporter:
    """Imports one capture. Its files are read in the order of their first receipts."""

    def __init__(
        self,
        protocol: Protocol,
        sources: Sequence[Source],
        naming: Naming,
        *,
        own: dict[str, Instrument],
        seeds: Sequence[Seed] = (),
        on_read: OnRead,
    ) -> None:
        began = [(first_receipt(source), index) for index, source in enumerate(sources)]
        self._began = min(began)[0]
        self._sources = [sources[index] for _, index in sorted(began)]
        self._protocol = protocol
        self._naming = naming
        self._own = own
        self._seeds = seeds
        self._on_read = on_read
        self._numbers: list[Numbers] = []

    @property
    def source_names(self) -> list[str]:
        """Returns the sources' names; the source index of a reject is an index into this list. The seed is the last."""
        return [source.name for source in self._sources] + ["the seed book"]

    def run(self, sink_at: SinkFactory) -> Outcome:
        """Import. sink_at: returns an empty sink; called again if the data need more decimals than the first sink
        has."""
        listed = [find_instrument(symbol, self._own, self._began) for symbol in self._naming.symbols]
        if all(instrument is not None for instrument in listed):
            instruments = [instrument for instrument in listed if instrument is not None]
            done = self._write(sink_at, instruments, growable=True)
            if done is not None:
                return done
        self._numbers = self._measure()
        instruments = [
            fitted(symbol, instrument, numbers)
            for symbol, instrument, numbers in zip(self._naming.symbols, listed, self._numbers, strict=True)
        ]
        done = self._write(sink_at, instruments, growable=False)
        if done is None:
            raise InvariantViolation("a capture asked for decimals twice")
        return done

    def _measure(self) -> list[Numbers]:
        decoder = self._decoder(None, [(0, 0)] * len(self._naming.pairs), growable=True)
        self._feed(decoder, None, None)
        found = []
        for index in range(len(self._naming.pairs)):
            _, *seen = decoder.facts(index)
            found.append(Numbers(*seen))
        return found

    def _write(self, sink_at: SinkFactory, instruments: list[Instrument], *, growable: bool) -> Outcome | None:
        sink, rejects = sink_at()
        for stream, instrument in enumerate(instruments, 1):
            sink.instrument(stream, instrument.to_msgpack())
        decimals = [(i.price_decimals, i.size_decimals) for i in instruments]
        decoder = self._decoder(sink, decimals, growable=growable)
        if not self._feed(decoder, sink, rejects):
            return None
        self._check_names(decoder, instruments)
        events = sink.counts()[0]
        if not events:
            raise BadInput(
                f"no message could be read in {decoder.lines:,} lines{rejects.why}",
                location=", ".join(source.name for source in self._sources),
                todo="check its first lines and its KIND",
            )
        ignored = dict(decoder.passed_over)
        if self._naming.is_map:
            ignored.update({f"symbol {raw}": n for raw, n in decoder.unmapped.items()})
        return Outcome(
            instruments=instruments,
            rejected=decoder.rejected,
            gaps=decoder.gaps,
            unsynced=decoder.unsynced,
            snapped=decoder.snapped,
            ignored=ignored,
        )

    def _decoder(
        self, sink: _core.TapeSink | None, decimals: list[tuple[int, int]], *, growable: bool
    ) -> _core.CaptureImport:
        streams = [
            (raw, stream, price, size, growable)
            for stream, ((raw, _), (price, size)) in enumerate(zip(self._naming.pairs, decimals, strict=True), 1)
        ]
        return _core.CaptureImport(sink, self._protocol.as_core(), streams, self._naming.is_map)

    def _feed(self, decoder: _core.CaptureImport, sink: _core.TapeSink | None, rejects: RejectFile | None) -> bool:
        """Feed all sources through the decoder. Returns False when it needs more decimals."""
        if self._seeds:
            decoder.begin_source(len(self._sources))
            for seed in self._seeds:
                line = f"{self._began} {seed.snapshot}\n"
                if not self._taken(decoder, decoder.feed(line.encode()), sink, rejects):
                    return False
            if decoder.rejected and sink is not None and rejects is not None:
                raise BadInput(f"the seed book cannot be read{rejects.why}", location="--seed-book")
        for index, source in enumerate(self._sources):
            decoder.begin_source(index)
            for chunk in source.chunks(self._on_read):
                if not self._taken(decoder, decoder.feed(chunk), sink, rejects):
                    return False
            if not self._taken(decoder, decoder.end_source(), sink, rejects):
                return False
        return self._taken(decoder, decoder.finish(), sink, rejects)

    def _taken(
        self, decoder: _core.CaptureImport, stop: int, sink: _core.TapeSink | None, rejects: RejectFile | None
    ) -> bool:
        found = decoder.take_rejects()
        if found and rejects is not None:
            rejects.add(found)
        if decoder.unmapped and not self._naming.is_map:
            raw = decoder.facts(0)[0]
            names = [raw, *sorted(decoder.unmapped)]
            raise BadInput(
                f"the capture holds several symbols: {', '.join(names)}",
                location=self._sources[0].name,
                todo=f"say which is which: --symbol {raw}={self._naming.symbols[0]},...",
            )
        if stop == _FAILED and sink is not None:
            sink.check()
            raise InvariantViolation("a decoder stopped without a reason")
        return stop != _NEEDS_DECIMALS

    def _check_names(self, decoder: _core.CaptureImport, instruments: list[Instrument]) -> None:
        seen = [decoder.facts(index)[0] for index in range(len(instruments))]
        there = sorted({raw for raw in seen if raw} | set(decoder.unmapped))
        for (raw, symbol), found, instrument in zip(self._naming.pairs, seen, instruments, strict=True):
            if raw and not found:
                raise UnknownSymbol(
                    f"the capture has no {raw}",
                    location=f"--symbol {raw}={symbol}",
                    todo=f"it has {', '.join(there) or 'no symbol'}",
                )
            if found and not raw and instrument.origin is Origin.CATALOGUE and found != instrument.raw_symbol:
                raise BadInput(
                    f"the capture is of {found}, and {symbol} is {instrument.raw_symbol} there",
                    location=self._sources[0].name,
                    todo=f"give --symbol {found}=... to say what it is",
                )

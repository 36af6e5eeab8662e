"""A venue's messages, one by one, into a tape: by its message table in the core, or by its decoder
in Python. Both find instruments and decimals where there is no sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from onetape import _core
from onetape._core import FLAG_GAP, FLAG_UNSYNCED
from onetape.data.instruments import Numbers
from onetape.data.rejects import Reject
from onetape.model.errors import BadInput, InvariantViolation
from onetape.model.json_text import read_json
from onetape.venues.market_decoder import DecoderFactory, MalformedError
from onetape.venues.protocol_table import Protocol as MessageTable

STREAMS_MAX: Final = 10_000  # as the core's
REJECTS_LISTED_MAX: Final = 10_000
NAMES_MAX: Final = 64  # of what was passed over; more count as "other"
_TEXT_MAX: Final = 200


class Stream(NamedTuple):
    """Keeps one instrument of an import: `number` from 1, in the order of the tape."""

    raw: str
    number: int
    price_decimals: int
    size_decimals: int


class Counted:
    """What was not taken: rejected lines, listed up to a bound, and what was passed over."""

    def __init__(self) -> None:
        self.rejected = 0
        self.waiting: list[Reject] = []
        self.ignored: Counter[str] = Counter()

    def reject(self, source: int, line: int, reason: str, text: bytes) -> None:
        self.rejected += 1
        if self.rejected <= REJECTS_LISTED_MAX:
            said = reason.encode("utf-8", "backslashreplace")
            self.waiting.append((source, line, said, text.rstrip(b"\n")[:_TEXT_MAX]))

    def take(self) -> list[Reject]:
        found, self.waiting = self.waiting, []
        return found

    def pass_over(self, what: str) -> None:
        # Names are the file's own text: shortened, and without what a terminal would obey.
        if what not in self.ignored:
            what = "".join(c if c.isprintable() else "?" for c in what[:64])
            if len(self.ignored) >= NAMES_MAX and what not in self.ignored:
                what = "other"
        self.ignored[what] += 1


class Reader(Protocol):
    """Reads one market's messages. Made anew for each pass; without a sink it measures."""

    @property
    def gaps(self) -> int: ...
    @property
    def unsynced(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def snapped(self) -> int: ...
    @property
    def has_rejects(self) -> bool: ...

    def message(self, source: int, line: int, receipt: int, body: bytes) -> None:
        """Takes one message, which ends in a newline."""
        ...

    def connected(self) -> None: ...
    def finish(self) -> None: ...
    def measured(self) -> list[tuple[str, Numbers]]: ...
    def ignored(self) -> dict[str, int]: ...
    def take_rejects(self) -> list[Reject]: ...


class TableReader:
    """Reads by a message table, in the core."""

    def __init__(
        self, table: MessageTable, sink: _core.TapeSink | None, streams: Sequence[Stream], *, others_pass: bool
    ) -> None:
        self._sink = sink
        self._core = _core.CaptureImport(
            sink,
            table.as_core(),
            [(s.raw, s.number, s.price_decimals, s.size_decimals, False) for s in streams],
            others_pass,
            sink is None,
        )
        self._others_pass = others_pass
        self._listed = 0

    @property
    def gaps(self) -> int:
        return self._core.gaps

    @property
    def unsynced(self) -> int:
        return self._core.unsynced

    @property
    def rejected(self) -> int:
        return self._core.rejected

    @property
    def snapped(self) -> int:
        return self._core.snapped

    @property
    def has_rejects(self) -> bool:
        return self._core.rejected > self._listed

    def message(self, source: int, line: int, receipt: int, body: bytes) -> None:
        if self._core.message(source, line, receipt, body):
            self._failed()

    def connected(self) -> None:
        self._core.connected()

    def finish(self) -> None:
        if self._core.finish():
            self._failed()

    def _failed(self) -> None:
        if self._sink is not None:
            self._sink.check()
        raise InvariantViolation("a decoder stopped without a reason")

    def measured(self) -> list[tuple[str, Numbers]]:
        found = []
        for index in range(self._core.stream_count):
            raw, *seen = self._core.facts(index)
            found.append((raw, Numbers(*seen)))
        return found

    def ignored(self) -> dict[str, int]:
        found = dict(self._core.passed_over)
        if self._others_pass:
            found |= {f"symbol {raw}": count for raw, count in self._core.unmapped.items()}
        return found

    def take_rejects(self) -> list[Reject]:
        self._listed = self._core.rejected
        found: list[Reject] = self._core.take_rejects()
        return found


class DialectReader:
    """Reads by a decoder in Python, whose MarketOut this is."""

    def __init__(
        self, decoder: DecoderFactory, sink: _core.TapeSink | None, streams: Sequence[Stream], *, others_pass: bool
    ) -> None:
        self._core = _core.TextImport(sink)
        self._is_measuring = sink is None
        self._streams: dict[str, int] = {}
        # This market's streams are some of the tape's.
        by_number = {stream.number: stream for stream in streams}
        for number in range(1, max(by_number, default=0) + 1):
            own = by_number.get(number)
            if own is None:
                self._core.add_stream(0, 0)
            else:
                self._core.add_stream(own.price_decimals, own.size_decimals)
                self._streams[own.raw] = number
        self._others_pass = others_pass
        self._counted = Counted()
        self._json = msgspec.json.Decoder(float_hook=str)  # fractions stay as written
        self._decoder = decoder(self, checks=sink is not None)
        self._receipt = 0
        self._refused: str | None = None
        self.gaps = 0
        self.unsynced = 0

    @property
    def rejected(self) -> int:
        return self._counted.rejected

    @property
    def snapped(self) -> int:
        return self._core.snapped

    @property
    def has_rejects(self) -> bool:
        return bool(self._counted.waiting)

    def message(self, source: int, line: int, receipt: int, body: bytes) -> None:
        self._receipt = receipt
        self._refused = None
        try:
            self._decoder.decode(read_json(body, self._json.decode))
        except msgspec.DecodeError as error:
            # Venues answer some requests with a bare word.
            if body in (b"pong\n", b"ping\n"):
                self.pass_over(body.decode().strip())
                return
            self._refused = f"is no JSON: {error}"
        except (MalformedError, BadInput) as error:
            self._refused = str(error)
        except KeyError as error:
            self._refused = f"has no {str(error)[:64]}"
        except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
            self._refused = "is not as a message of its kind should be"
        if self._refused is not None:
            self._counted.reject(source, line, self._refused, body)

    def connected(self) -> None:
        self._decoder.connected()

    def finish(self) -> None:
        """Nothing is held back."""

    def quote(
        self, raw: str, ts_event: int, bid: object, bid_size: object, ask: object, ask_size: object, update_id: int = 0
    ) -> bool:
        stream = self._streams.get(raw) or self._stream(raw)
        if not stream:
            return False
        return self._taken(self._core.quote(stream, self._receipt, ts_event, bid, bid_size, ask, ask_size, update_id))

    def trade(self, raw: str, ts_event: int, price: object, size: object, side: int, trade_id: object) -> bool:
        stream = self._streams.get(raw) or self._stream(raw)
        if not stream:
            return False
        return self._taken(self._core.trade(stream, self._receipt, ts_event, price, size, side, trade_id))

    def book(
        self, raw: str, ts_event: int, flags: int, last_id: int, previous_id: int, bids: list[Any], asks: list[Any]
    ) -> bool:
        stream = self._streams.get(raw) or self._stream(raw)
        if not stream:
            return False
        if not self._taken(self._core.book(stream, self._receipt, ts_event, flags, last_id, previous_id, bids, asks)):
            return False
        if flags & FLAG_GAP:
            self.gaps += 1
        if flags & FLAG_UNSYNCED:
            self.unsynced += 1
        return True

    def pass_over(self, what: str) -> None:
        self._counted.pass_over(what)

    def _taken(self, why: str | None) -> bool:
        if why is None:
            return True
        self._refused = self._refused or why
        return False

    def _stream(self, raw: object) -> int:
        """For a name met for the first time, or one that no instrument is for: 0."""
        if not isinstance(raw, str):
            raise MalformedError("names no symbol")
        if self._is_measuring and len(self._streams) < STREAMS_MAX:
            self._core.add_stream(0, 0)
            self._streams[raw] = len(self._streams) + 1
            return self._streams[raw]
        if self._others_pass:
            self._counted.pass_over(f"symbol {raw}")
        else:
            self._refused = f"symbol {raw[:64]} is not mapped to an instrument"
        return 0

    def measured(self) -> list[tuple[str, Numbers]]:
        return [(raw, Numbers(*self._core.facts(number - 1))) for raw, number in self._streams.items()]

    def ignored(self) -> dict[str, int]:
        return dict(self._counted.ignored)

    def take_rejects(self) -> list[Reject]:
        return self._counted.take()


__all__ = ["STREAMS_MAX", "Counted", "DialectReader", "Reader", "Stream", "TableReader"]

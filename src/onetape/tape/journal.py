"""Write and read journals: one writer, any number of readers.

The writer's hot methods are those of the compiled core, bound to the object directly: an
append from Python costs one call. Readers give decoded records, raw frames, or whole columns.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast
from uuid import UUID, uuid4

from onetape import _core
from onetape.model.errors import BadInput, NotAvailable, UsageError
from onetape.model.time import TIME_MAX
from onetape.tape.columns import Table, read_columns
from onetape.tape.expand import expand_segment
from onetape.tape.schema import END_TYPE, INSTRUMENT_TYPE, EventSchema, Schemas, built_in, schema_preamble
from onetape.tape.segments import require_there

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["READ", "Frame", "JournalReader", "JournalWriter", "Record", "last_written", "type_id"]

_NO_UUID = bytes(16)
_NAMES = {schema.name: id_ for id_, schema in built_in().items()}
READ: Final[deque[Path]] = deque(maxlen=64)  # the tapes that this process opened last, to explain a failure
REPLICATED_WITHIN_S: Final = 0.25
_CHUNK_BYTES = 256 << 10  # size of the frames that are Python objects at a time


def type_id(name: str | int) -> int:
    """Returns the id of an event type of this build, by its name in CONTRACT."""
    if isinstance(name, int):
        return name
    try:
        return _NAMES[name]
    except KeyError:
        raise BadInput(f"unknown event type {name!r}", todo=f"one of: {', '.join(_NAMES)}") from None


VALUES: Final = ("quote", "trade", "mark", "open_interest")  # default of `latest`; a book change needs all before it


class Frame(NamedTuple):
    """A frame as stored on the tape."""

    type: int
    flags: int
    sequence: int
    time: int
    stream: int
    payload: bytes


class Record(NamedTuple):
    """A frame decoded by the schema stored on its tape. `data` holds integers as stored, such as `price` in units."""

    type: str
    flags: int
    sequence: int
    time: int
    stream: int
    data: dict[str, Any]


class JournalWriter:
    """Writes a journal directory as its only writer. A second one is refused with JOURNAL_LOCKED.

    uuid: identity of a new journal (default: random; an importer derives it from its input).
    created: ns UTC, kept in the segment headers; 0 for tapes that must not depend on it.
    durable: seals are synced and `sync` works; off for reproducible journals (backtests).
    heartbeat: a native thread shows readers that this process is alive.
    reserve: on a full disk its frames may use the space that each segment reserves for cancels and kills.
    epoch_min: its epoch is at least this one, the token of the lease under which it writes.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        process: str = "",
        account: str = "",
        uuid: UUID | bytes | None = None,
        created: int = 0,
        segment_bytes_first: int = 4 << 20,
        segment_bytes_max: int = 64 << 20,
        durable: bool = True,
        heartbeat: bool = False,
        reserve: bool = False,
        epoch_min: int = 0,
        extra_preamble: Iterable[tuple[int, int, bytes]] = (),
    ) -> None:
        self.path = Path(directory)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if uuid is None:
            exists = self.path.is_dir() and any(self.path.glob("*.tape*"))
            identity = _NO_UUID if exists else uuid4().bytes
        else:
            identity = uuid.bytes if isinstance(uuid, UUID) else uuid
        self.core = _core.JournalWriter.open(
            str(self.path),
            process=process,
            account=account,
            uuid=identity,
            created=created,
            segment_bytes_first=segment_bytes_first,
            segment_bytes_max=segment_bytes_max,
            preamble=[*schema_preamble(), *extra_preamble],
            durable=durable,
            heartbeat=heartbeat,
            epoch_min=epoch_min,
        )
        # (type id, payload, flags=0, stream=0, time=0) -> sequence; positional
        self._page = self.path / "control"
        self._identity = _identity(self._page)
        self.append_raw: Callable[..., int] = cast(Any, self.core.fast_append(urgent=reserve))
        self.append_urgent = self.core.append_urgent
        # (stream, time, ts_event, bid, ask, bid_size, ask_size), integers; positional
        self.append_quote: Callable[[int, int, int, int, int, int, int], None] = cast(
            Any, self.core.fast_append_quote()
        )
        # (stream, time, MessagePack payload) -> sequence; repeated in all later segments
        self.append_instrument = self.core.append_instrument
        self.sync = self.core.sync
        self.request_durable = self.core.request_durable
        self.progress = self.core.progress

    def append(self, event: str | int, payload: bytes, *, flags: int = 0, stream: int = 0, time: int = 0) -> int:
        """Append one frame from a whole payload; returns its sequence."""
        return self.append_raw(type_id(event), payload, flags, stream, time)

    def append_batch(
        self,
        event: str | int,
        stream: int,
        rows: NDArray[np.void],
        times: NDArray[np.int64] | None = None,
        *,
        flags: int = 0,
    ) -> int:
        """Append many frames of one fixed type; returns the last sequence. rows: structured, with the type's
        `payload_dtype`.

        times: the frames' times; default the rows' `ts_recv`.
        """
        import numpy as np

        schema = built_in().get(type_id(event))
        if schema is None or not schema.fixed:
            raise BadInput(f"append_batch: {event!r} has no fixed layout")
        if rows.dtype.itemsize != schema.payload_bytes:
            raise BadInput(
                f"append_batch: a {schema.name} row has {schema.payload_bytes} bytes, these have {rows.dtype.itemsize}"
            )
        if times is None:
            times = rows["ts_recv"]
        raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), schema.payload_bytes)
        return self.core.append_rows(schema.id, flags, stream, times, raw)

    @property
    def is_gone(self) -> bool:
        """Returns True when the journal is no longer at its path: deleted, or another journal is in its place."""
        return _identity(self._page) != self._identity

    @property
    def uuid(self) -> UUID:
        return UUID(bytes=self.core.uuid)

    @property
    def epoch(self) -> int:
        return self.core.epoch

    @property
    def lacks_room(self) -> bool:
        """True when the disk has no room for the next segment. At least three quarters of the current one are left
        when that is first noticed; it is retried twice a second."""
        return self.core.lacks_room

    @property
    def published(self) -> int:
        """Sequence of the last frame."""
        return self.core.published

    @property
    def durable(self) -> int:
        """Sequence up to which the journal is on disk."""
        return self.core.durable

    @property
    def crc(self) -> int:
        """Chain value of the last frame."""
        return self.core.crc

    @property
    def recovered(self) -> tuple[int, int, str]:
        """(last sequence found, torn bytes set aside, the file they are in) at opening."""
        return self.core.recovered

    def ensure(self, level: str) -> int:
        """Wait until everything published before the call is safe at `level`; returns its last sequence.

        process: survives the death of this process, as every published frame does.
        disk: survives the loss of power (one fdatasync for all waiting callers).
        replicated: survives the loss of this machine: its standby has it. Raises NotAvailable where that takes longer
        than a quarter of a second.
        """
        sequence = self.published
        match level:
            case "process":
                pass
            case "disk":
                self.sync()
            case "replicated":
                if not self.core.wait_replicated(sequence, REPLICATED_WITHIN_S):
                    raise NotAvailable(
                        f"no other host has frame {sequence}", location=str(self.path), todo="onetape status --all"
                    )
            case _:
                raise UsageError(f"unknown durability {level!r}", todo="one of: process, disk, replicated")
        return sequence

    def close(self) -> None:
        """Seal the last segment and wait for it. Leaving without it is like a crash."""
        self.core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _identity(page: Path) -> tuple[int, int] | None:
    """Returns the identity of a journal being written, from its control page; None: it has none."""
    try:
        found = page.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def last_written(path: Path) -> tuple[int, int]:
    """Returns the epoch of a journal's last writer, and its last sequence; (0, 0): there is no journal."""
    if not (path / "control").exists():
        return 0, 0
    with JournalReader(path) as reader:
        return int(reader.control.get("epoch", 0)), reader.last_sequence


class JournalReader:
    """Reads a journal in order, sealed or while it is written; works on read-only media.

    Iteration yields Records up to the last published one; iterate again later for new ones.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.path = Path(directory)
        sys.audit("onetape.open", str(self.path))
        READ.append(self.path)
        require_there(self.path)
        self.core = _core.JournalReader.open(str(self.path), expand_segment)
        self._page = self.path / "control"
        self._identity = _identity(self._page)
        self._segment = -1
        self._schemas = Schemas()
        # The raw hot path: (type, flags, sequence, time, stream, payload) or None.
        self.next_raw: Callable[[], tuple[int, int, int, int, int, bytes] | None] = self.core.next

    @property
    def schemas(self) -> Schemas:
        """Schemas of the reader's segment, and the instruments met so far."""
        if self.core.segment != self._segment:
            instruments = self._schemas.instruments
            self._schemas = Schemas(self.core.preamble)
            self._schemas.instruments = {**instruments, **self._schemas.instruments}
            self._segment = self.core.segment
        return self._schemas

    @property
    def instruments(self) -> dict[int, dict[str, Any]]:
        return self.schemas.instruments

    def next_frame(self) -> Frame | None:
        raw = self.core.next()
        return None if raw is None else Frame(*raw)

    def next(self) -> Record | None:
        """Returns the next record, or None when there is none yet."""
        raw = self.core.next()
        return None if raw is None else self._record(raw)

    def _record(self, raw: tuple[int, int, int, int, int, bytes]) -> Record:
        type_, flags, sequence, time, stream, payload = raw
        schema = self.schemas.of(type_)
        data = schema.decode(payload)
        if type_ == INSTRUMENT_TYPE:
            self._schemas.instruments[stream] = data
        return Record(schema.name, flags, sequence, time, stream, data)

    def __iter__(self) -> Iterator[Record]:
        while (raw := self.core.next()) is not None:
            yield self._record(raw)

    def frames(
        self, types: Iterable[str | int] = (), *, time_until: int = TIME_MAX, sequence_until: int = 0
    ) -> Iterator[Frame]:
        """Yields raw frames of the wanted types (none: all) by chunks: cheaper for each than `next`. sequence_until:
        the first frame not to read, 0: none."""
        wanted = [self.schemas.named(t).id if isinstance(t, str) else t for t in types]
        ended = False
        while not ended:
            found, ended = self.core.read_frames(Frame, _CHUNK_BYTES, wanted, time_until, sequence_until)
            yield from found

    def latest(self, values: Iterable[str] = VALUES) -> list[tuple[Record, int]]:
        """Returns new frames since the last call, for a reader slower than its tape: of each type in `values` only
        the newest record of each stream, with the number of older ones left out; of other types all. In order of the
        tape."""
        conflated = {self.schemas.named(name).id for name in values}
        found: dict[tuple[int, int], tuple[Frame, int]] = {}
        for frame in self.frames():
            key = (frame.type, frame.stream) if frame.type in conflated else (-1, frame.sequence)
            _, skipped = found.pop(key, (None, -1))
            found[key] = frame, skipped + 1
        return [(self._record(frame), skipped) for frame, skipped in found.values()]

    def chunks(
        self, event: str | int, *, rows_max: int = 65536, time_until: int = TIME_MAX, sequence_until: int = 0
    ) -> Iterator[NDArray[np.void]]:
        """Yields rows of one fixed type from the reader's position on, in constant memory.

        Columns are the frame header's (`sequence time stream flags ...`) and the payload's; a
        counted tail (levels of a book) is left out. sequence_until: as of `frames`.
        """
        schema = self._fixed(event)
        ended = False
        while not ended:
            raw, ended = self.core.read_rows(schema.id, schema.payload_bytes, rows_max, time_until, sequence_until)
            if len(raw):
                yield schema.rows(raw)

    def columns(
        self,
        event: str | int,
        *,
        time_until: int = TIME_MAX,
        names: Iterable[str] | None = None,
        where: Mapping[str, int] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Reads all rows of one fixed type from the reader's position on, a contiguous array for each column.

        names: only these columns (default: all).
        where: only rows whose fields have these values; others take no memory.
        """
        table = self.table(event, names=names, where=where)
        found, _ = read_columns(self.core, [table], time_until=time_until)
        return found[0]

    def table(
        self, event: str | int, *, names: Iterable[str] | None = None, where: Mapping[str, int] | None = None
    ) -> Table:
        """Returns a selection of columns, to read several in one pass: see `read_columns`."""
        return Table(self._fixed(event), None if names is None else tuple(names), where or {})

    def _fixed(self, event: str | int) -> EventSchema:
        schemas = self.schemas
        schema = schemas.named(event) if isinstance(event, str) else schemas.of(event)
        if not schema.fixed:
            raise BadInput(f"{schema.name} has no fixed layout: iterate over its records")
        return schema

    def seek_sequence(self, sequence: int) -> None:
        """Move to the first frame with this sequence or a later one."""
        self.core.seek_sequence(sequence)
        self._learn_instruments()

    def seek_time(self, time: int) -> None:
        """Move to the first frame, in order of the tape, whose time is not before this."""
        self.core.seek_time(time)
        self._learn_instruments()

    def _learn_instruments(self) -> None:
        """Learn instruments of the segment's own frames before the position; the preamble has all earlier ones."""
        schemas, place = self.schemas, self.core.next_sequence
        first = self.core.segment_first_sequence
        if place <= first:
            return
        self.core.seek_sequence(first)
        ended = False
        while not ended and self.core.next_sequence < place:
            found, ended = self.core.read_frames(Frame, _CHUNK_BYTES, [INSTRUMENT_TYPE], TIME_MAX, place)
            for frame in found:
                schemas.instruments[frame.stream] = schemas.of(frame.type).decode(frame.payload)

    @property
    def uuid(self) -> UUID:
        return UUID(bytes=self.core.uuid)

    @property
    def epoch(self) -> int:
        """Epoch of the reader's segment."""
        return self.core.epoch

    @property
    def process(self) -> str:
        return self.core.process

    @property
    def account(self) -> str:
        return self.core.account

    @property
    def next_sequence(self) -> int:
        return self.core.next_sequence

    @property
    def crc(self) -> int:
        """Checksum of the last frame read, with which the checksum of the next frame begins."""
        return self.core.crc

    @property
    def last_sequence(self) -> int:
        """Last published sequence, 0: the journal is empty."""
        return self.core.last_sequence

    @property
    def writer_alive(self) -> bool:
        return self.core.writer_alive

    @property
    def control(self) -> dict[str, Any]:
        """Returns the control page: pid, epoch, published, durable, heartbeat, closed, same_boot (the machine has
        not restarted since the writer began) ...; empty without one."""
        return self.core.control

    @property
    def is_gone(self) -> bool:
        """Returns True when the journal is no longer at its path: deleted, or another journal is in its place. For
        journals opened while being written."""
        return _identity(self._page) != self._identity

    def close(self) -> None:
        """Releases the mappings. The reader cannot be used after it."""
        del self.core, self.next_raw

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


assert END_TYPE not in built_in()

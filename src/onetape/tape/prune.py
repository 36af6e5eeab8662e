"""Apply retention: old closed segments are compressed or removed; segments needed to replay a run are pinned."""

from __future__ import annotations

import os
import re
import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from onetape import _core
from onetape.model.byte_size import parse_bytes
from onetape.model.errors import BadInput, UsageError
from onetape.model.time import parse_duration
from onetape.model.typed import from_json
from onetape.tape.durable import durable_file, write_durably
from onetape.tape.pruned import Pruned, write_pruned
from onetape.tape.segments import Segment, list_segments

__all__ = ["Keep", "Pin", "PruneReport", "compress", "parse_keep", "pin", "pins", "prune", "unpin"]

_NO_END = 2**63 - 1  # of a range without an end
_COMPRESSION_LEVEL = 3  # of zstd: about as fast as the disk; higher ones gain a few per cent


class Pin(msgspec.Struct, frozen=True):
    """A range of the journal that a run needs to be replayed."""

    run: str
    first_sequence: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class PruneReport:
    """The removed segments (or those to remove), the kept ones with reasons, and runs that can no longer be
    replayed."""

    path: str
    removed: list[int]  # segment numbers
    freed_bytes: int
    first_seq: int  # first sequence that remains
    kept_by_readers: list[int]
    kept_by_sequence: list[int]
    kept_by_runs: list[str]
    unreplayable: list[str]
    dry_run: bool


def _pin_path(directory: Path, run: str) -> Path:
    if not re.fullmatch(r"[\w.:@+-]{1,200}", run) or run.startswith("."):
        raise BadInput(f"{run!r} cannot name a pin")
    return directory / "pins" / f"{run}.json"


def pin(directory: Path, run: str, first_sequence: int, last_sequence: int = _NO_END) -> None:
    """Protect a range from pruning. A second pin of the same run replaces the first."""
    path = _pin_path(directory, run)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_durably(path, msgspec.json.encode(Pin(run, first_sequence, last_sequence)))


def unpin(directory: Path, run: str) -> None:
    """Remove the pin of a run."""
    _pin_path(directory, run).unlink(missing_ok=True)


def pins(directory: Path) -> list[Pin]:
    """Returns the pins in order of their runs. An unreadable pin is an error: it may protect anything."""
    found = []
    for path in sorted((directory / "pins").glob("*.json")):
        try:
            found.append(from_json(path.read_bytes(), Pin))
        except msgspec.DecodeError as error:
            raise BadInput(f"{path}: {error}", todo="repair the pin, or remove it") from None
    return found


def prune(
    path: str | os.PathLike[str],
    *,
    older: str | int | None = None,
    size: str | int | None = None,
    keep_sequence: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    now: int | None = None,
) -> PruneReport:
    """Removes whole sealed segments from the front.

    older: an age ("30d", or ns); segments whose latest frame time is older may go.
    size: the most that may stay ("10GiB", or bytes), counted from the newest.
    keep_sequence: frames from this one on stay, even with `force`.
    Segments of active readers always stay. Pinned runs stay unless `force`, and are then named. The
    last sealed segment always stays: the next writer continues from it.
    """
    directory = Path(path)
    segments = list_segments(directory)
    if not segments:
        raise BadInput(f"{directory}: holds no tape segment")
    limit = _Limit(
        before=None if older is None else (now or clock.time_ns()) - _age(older),
        size_bytes=None if size is None else _bytes(size),
    )
    needed = _core.lowest_lease(str(directory))
    pinned = pins(directory)
    removed: list[Segment] = []
    kept_by_readers: list[int] = []
    kept_by_sequence: list[int] = []
    kept_by_runs: list[str] = []
    unreplayable: list[str] = []
    for segment in limit.candidates(segments):
        assert segment.last_seq is not None
        if segment.number >= needed:
            kept_by_readers.append(segment.number)
            break
        if keep_sequence is not None and segment.last_seq >= keep_sequence:
            kept_by_sequence.append(segment.number)
            break
        runs = [p.run for p in pinned if p.first_sequence <= segment.last_seq and p.last_sequence >= segment.first_seq]
        if runs and not force:
            kept_by_runs = runs
            break
        unreplayable += [run for run in runs if run not in unreplayable]
        removed.append(segment)
    if removed and not dry_run:
        _remove(directory, removed)
    left = segments[len(removed) :]
    return PruneReport(
        path=str(directory),
        removed=[s.number for s in removed],
        freed_bytes=sum(s.size_bytes for s in removed),
        first_seq=left[0].first_seq if left else 0,
        kept_by_readers=kept_by_readers,
        kept_by_sequence=kept_by_sequence,
        kept_by_runs=kept_by_runs,
        unreplayable=unreplayable,
        dry_run=dry_run,
    )


class Keep(NamedTuple):
    """How much of a journal stays: arguments of `prune`."""

    older: int | None = None  # ns
    size: int | None = None  # bytes


def parse_keep(text: str) -> Keep:
    """Parse `30d`, `100GB`, or both with a comma: segments beyond either may go. Raises UsageError."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, limit = _limit(part.strip())
        if name in found or limit <= 0:
            raise UsageError(f"{text!r} does not say how much stays", todo="write 30d, 100GB or 30d,100GB")
        found[name] = limit
    return Keep(**found)


def _limit(text: str) -> tuple[str, int]:
    try:
        return "older", parse_duration(text)
    except UsageError:
        pass
    try:
        if text[-1:].isdigit():  # days or bytes?
            raise UsageError("no unit")
        return "size", parse_bytes(text)
    except UsageError:
        raise UsageError(f"{text!r} is neither an age nor a size", todo="write 30d, 100GB or 30d,100GB") from None


@dataclass(frozen=True, slots=True)
class _Limit:
    before: int | None
    size_bytes: int | None

    def candidates(self, segments: list[Segment]) -> Iterator[Segment]:
        """Yields segments from the front, while a segment exceeds one of the limits."""
        total = sum(s.size_bytes for s in segments)
        last_sealed = max((s.number for s in segments if s.sealed), default=0)
        for segment in segments:
            if not segment.sealed or segment.number == last_sealed:
                return
            assert segment.latest_time is not None
            too_old = self.before is not None and segment.latest_time < self.before
            too_much = self.size_bytes is not None and total > self.size_bytes
            by_sequence = self.before is None and self.size_bytes is None
            if not (too_old or too_much or by_sequence):
                return
            total -= segment.size_bytes
            yield segment


def _remove(directory: Path, removed: list[Segment]) -> None:
    last = removed[-1]
    assert last.last_seq is not None and last.seal is not None
    # The note is written first: after a kill in between, segments noted as removed still exist, which is no damage;
    # missing segments without a note would be damage.
    write_pruned(directory, Pruned(last.number, last.last_seq, last.seal))
    for segment in removed:
        segment.path.unlink(missing_ok=True)
        Path(f"{segment.path}.zst").unlink(missing_ok=True)


def compress(
    path: str | os.PathLike[str], progress: Callable[[float, float | None], None] | None = None, *, keep: int = 1
) -> list[int]:
    """Pack sealed segments into `.tape.zst`, all but the last `keep` (at least one: a writer continues from it);
    returns their numbers. The content is identical when expanded.

    progress: called with (bytes packed, bytes in all)."""
    import zstandard

    directory = Path(path)
    sealed = [s for s in list_segments(directory) if s.sealed]
    done = []
    plain_ones = [s for s in sealed[: len(sealed) - max(keep, 1)] if not s.compressed]
    packed_bytes, whole = 0, sum(segment.size_bytes for segment in plain_ones)
    for segment in plain_ones:
        if progress is not None:
            progress(packed_bytes, whole)
        packed_bytes += segment.size_bytes
        target = Path(f"{segment.path}.zst")
        packer = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True)
        with durable_file(target) as packed, segment.path.open("rb") as plain:
            packer.copy_stream(plain, packed, size=segment.size_bytes)
        # Readers that have mapped the plain file keep it; others open the packed one.
        segment.path.unlink()
        done.append(segment.number)
    return done


def _age(older: str | int) -> int:
    return older if isinstance(older, int) else parse_duration(older)


def _bytes(size: str | int) -> int:
    return size if isinstance(size, int) else parse_bytes(size)

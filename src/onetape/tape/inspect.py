"""List tapes and print their records."""

from __future__ import annotations

import os
import time as clock
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from onetape.model.errors import BadInput, TornTape, UsageError
from onetape.model.time import parse_time
from onetape.tape.journal import JournalReader
from onetape.tape.render import render
from onetape.tape.segments import is_tape, list_segments
from onetape.tape.where import Where, parse_where

__all__ = ["JournalInfo", "cat", "look_back", "ls", "tail"]

T = TypeVar("T")

_DEPTH_MAX = 4  # home/runs/<run>/journal
# On the command line a bare number below this is a sequence, from this on a time (1e9 s is 2001).
_SEQUENCE_MAX = 10**9
_FOLLOW_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class JournalInfo:
    """One journal as `ls` shows it. Times are ns of the frames, None where unknown."""

    path: str
    journal: str
    process: str
    account: str
    segments: int
    sealed: int
    epoch: int
    first_seq: int
    last_seq: int
    first_time: int | None
    latest_time: int | None
    size_bytes: int
    writer: str  # "alive", "closed" or "dead"
    damaged: str


def ls(path: str | os.PathLike[str]) -> list[JournalInfo]:
    """Returns the journals at or below `path`, at most four folders down, in order of their paths."""
    return [_info(directory) for directory in sorted(_find(Path(path), 0))]


def _find(directory: Path, depth: int) -> Iterator[Path]:
    if is_tape(directory):
        yield directory
    elif depth < _DEPTH_MAX and directory.is_dir():
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                yield from _find(Path(entry.path), depth + 1)


def _info(directory: Path) -> JournalInfo:
    try:
        segments = list_segments(directory)
        reader = JournalReader(directory)
        last = reader.last_sequence
        control = reader.control
        alive = reader.writer_alive
    except TornTape as error:
        return JournalInfo(str(directory), "", "", "", 0, 0, 0, 0, 0, None, None, 0, "dead", error.what)
    closed = control.get("closed", True) or all(s.sealed for s in segments)
    sealed = [s for s in segments if s.sealed and s.frames]
    times = [s.latest_time for s in sealed if s.latest_time is not None]
    newest = segments[-1] if segments else None
    return JournalInfo(
        path=str(directory),
        journal=str(newest.uuid) if newest else "",
        process=newest.process if newest else "",
        account=newest.account if newest else "",
        segments=len(segments),
        sealed=sum(s.sealed for s in segments),
        epoch=newest.epoch if newest else 0,
        first_seq=segments[0].first_seq if segments and last >= segments[0].first_seq else 0,
        last_seq=last,
        first_time=sealed[0].first_time if sealed else None,
        latest_time=max(times) if times and newest and newest.sealed else None,
        size_bytes=sum(s.size_bytes for s in segments),
        writer="alive" if alive else "closed" if closed else "dead",
        damaged="",
    )


def cat(
    path: str | os.PathLike[str],
    *,
    start: str | int | None = None,
    end: str | int | None = None,
    types: Iterable[str] = (),
    where: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields rendered records in order of the tape.

    start, end: a sequence (a number below 1e9, or `seq:N`; both ends belong to the range) or a
    time (from `start` on, before `end`).
    """
    reader = JournalReader(path)
    first_sequence, first_time = _place(start, "--from")
    last_sequence, end_time = _place(end, "--to")
    ranges = ((first_sequence, last_sequence), (first_time, end_time))
    if any(first is not None and last is not None and first > last for first, last in ranges):
        raise UsageError(f"{start} is after {end}", location="--from/--to", todo="swap them")
    if first_sequence is not None:
        reader.seek_sequence(first_sequence)
    elif first_time is not None:
        reader.seek_time(first_time)
    wanted = _wanted(reader, types)
    parsed = None if where is None else parse_where(where)
    for record in _records(reader, wanted, parsed):
        if last_sequence is not None and record["sequence"] > last_sequence:
            break
        if end_time is not None and record["time"] >= end_time:
            continue  # times on a tape may decrease
        if first_time is not None and record["time"] < first_time:
            continue
        yield record
    if parsed is not None:
        parsed.check_fields()


def tail(
    path: str | os.PathLike[str],
    *,
    count: int = 10,
    follow: bool = False,
    latest: bool = False,
    types: Iterable[str] = (),
    where: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields the last `count` matching rendered records; with `follow` it continues forever. latest: conflated from
    then on, with `skipped`, if not 0: the number of records of the same kind and symbol that a slow reader missed."""
    reader = JournalReader(path)
    wanted = _wanted(reader, types)
    parsed = None if where is None else parse_where(where)
    is_all = not wanted and parsed is None
    step = max(count, 1) if is_all else max(4 * count, 4096)
    yield from look_back(reader, lambda: _records(reader, wanted, parsed), count, step)
    if parsed is not None and not follow:
        parsed.check_fields()
    while follow:
        found = False
        for record in _records(reader, wanted, parsed, latest=latest):
            found = True
            yield record
        if latest or not found:
            clock.sleep(_FOLLOW_SECONDS)


def look_back(reader: JournalReader, read: Callable[[], Iterable[T]], count: int, step: int = 4096) -> list[T]:
    """Returns the last `count` results of `read` from a tape, searched from its end: `step` frames back, then in
    growing steps until there are enough. The reader is at the end then."""
    last = reader.last_sequence
    while True:
        first = max(1, last - step + 1)
        reader.seek_sequence(first)
        found = deque(read(), maxlen=max(count, 1))
        if len(found) >= count or first == 1:
            return list(found)[len(found) - min(count, len(found)) :]
        step *= 8


def _records(
    reader: JournalReader, wanted: frozenset[str], where: Where | None, *, latest: bool = False
) -> Iterator[dict[str, Any]]:
    for record, skipped in reader.latest() if latest else ((record, 0) for record in reader):
        if wanted and record.type not in wanted:
            continue
        schemas = reader.schemas
        shown = render(record, schemas.named(record.type), schemas.instruments)
        if skipped:
            shown["skipped"] = skipped
        if where is None or where(shown):
            yield shown


def _wanted(reader: JournalReader, types: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(types)
    names = {schema.name for schema in reader.schemas.by_id.values()}
    for name in wanted - names:
        raise BadInput(f"no event type {name!r} on this tape", todo=f"one of: {', '.join(sorted(names))}")
    return wanted


def _place(place: str | int | None, flag: str) -> tuple[int | None, int | None]:
    """Returns (sequence, time) of a command line's SEQ|TIME. Raises UsageError that names the flag."""
    if place is None:
        return None, None
    text = str(place).strip()
    explicit = text.removeprefix("seq:")
    if explicit.isascii() and explicit.isdigit():
        number = int(explicit)
        if explicit != text or number < _SEQUENCE_MAX:
            return number, None
    elif explicit != text:
        raise UsageError(f"a sequence is a whole number, not {place!r}", location=flag)
    try:
        return None, parse_time(text)
    except BadInput as error:
        todo = f"{error.todo or 'write 2024-08-08T09:30:00Z'}, or a sequence"
        raise UsageError(error.what, location=flag, todo=todo) from None

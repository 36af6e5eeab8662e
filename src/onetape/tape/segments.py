"""List the segment files of a journal with facts that need no reading of frames."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from onetape import _core
from onetape.model.errors import BadInput, TornTape
from onetape.tape.expand import expand_segment
from onetape.tape.pruned import PRUNED_FILE

__all__ = [
    "Segment",
    "first_sequence",
    "foreign_to_tape",
    "is_tape",
    "list_segments",
    "located",
    "require_there",
    "segment_files",
]

_NAME = re.compile(r"(\d{10})\.tape(\.zst)?")
# Files that a journal's writer, its retention, its repair and a crash leave beside segments.
_BESIDE = re.compile(
    r"lock|control|bells|pins|" + re.escape(PRUNED_FILE) + r"|torn-\d+-\d+\.bin"
    r"|damaged-\d+(\.zst)?\.bin|\d{10}\.tape\.new"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One numbered segment. `last_seq`, `frames` and times are None while it is open."""

    number: int
    path: Path
    compressed: bool
    size_bytes: int  # on disk
    uuid: UUID
    epoch: int
    created: int
    process: str
    account: str
    first_seq: int
    sealed: bool
    last_seq: int | None
    frames: int | None
    first_time: int | None
    latest_time: int | None
    seal: str | None


def segment_files(directory: Path) -> list[tuple[int, Path, bool]]:
    """Returns (number, path, compressed) in order; one present in both forms counts as plain."""
    found: dict[int, tuple[int, Path, bool]] = {}
    if directory.is_dir():
        for entry in os.scandir(directory):
            match = _NAME.fullmatch(entry.name)
            if match is None:
                continue
            number, packed = int(match[1]), match[2] is not None
            if number not in found or not packed:
                found[number] = (number, Path(entry.path), packed)
    return [found[number] for number in sorted(found)]


def located(path: Path) -> Path:
    """Returns the path of a journal; a process's journal may be named by the process: journal/collector:NAME."""
    if ":" not in path.name or path.exists():
        return path
    beside = path.with_name(path.name.replace(":", "-", 1))
    return beside if beside.is_dir() else path


def require_there(path: Path) -> None:
    """Raises BadInput where the path does not exist: the core reports only the system's error."""
    if not path.exists():
        raise BadInput("there is no such tape", location=str(path), todo="check the path")


def is_tape(path: Path) -> bool:
    """Returns True for a folder with segments."""
    return bool(segment_files(path))


def foreign_to_tape(directory: Path) -> set[str]:
    """Returns names in a folder that are no part of a journal: deleting the tape would delete them, too."""
    names = {entry.name for entry in os.scandir(directory)}
    return {name for name in names if not (_NAME.fullmatch(name) or _BESIDE.fullmatch(name))}


def first_sequence(directory: Path) -> int:
    """Returns the first sequence that a journal still has. Raises TornTape when it was removed since it was opened."""
    segments = list_segments(directory)
    if not segments:
        raise TornTape("the journal was removed", location=str(directory))
    return segments[0].first_seq


def list_segments(directory: Path) -> list[Segment]:
    """Returns the numbered segments in order. Raises TornTape for a bad header or trailer."""
    segments = []
    for number, path, compressed in segment_files(directory):
        fd = expand_segment(str(path)) if compressed else -1
        info = _core.segment_info(str(path), number, fd)
        if info is None:
            continue
        seal = info.get("seal")
        segments.append(
            Segment(
                number=number,
                path=path,
                compressed=compressed,
                size_bytes=path.stat().st_size,
                uuid=UUID(bytes=info["uuid"]),
                epoch=info["epoch"],
                created=info["created"],
                process=info["process"],
                account=info["account"],
                first_seq=info["first_seq"],
                sealed=info["sealed"],
                last_seq=info.get("last_seq"),
                frames=info.get("frames"),
                first_time=info.get("first_time"),
                latest_time=info.get("latest_time"),
                seal=None if seal is None else seal.hex(),
            )
        )
    return segments

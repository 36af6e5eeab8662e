"""Verify a tape: every byte of its sealed segments is checked; nothing is changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from onetape import _core
from onetape.tape.expand import expand_segment
from onetape.tape.pruned import read_pruned
from onetape.tape.segments import require_there

__all__ = ["VerifyReport", "content_hash", "verify"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The result of `journal verify`. `damage` names each location; a torn tail is not damage."""

    journal: str
    frames: int
    segments: int
    sealed: int
    first_seq: int
    last_seq: int
    torn_bytes: int
    damaged: int  # locations
    ok: bool
    damage: list[str]
    path: str
    seal: str  # SHA-256 of the last sealed segment: covers all before it


def verify(path: str | os.PathLike[str]) -> VerifyReport:
    """Check a journal or tape. Raises BadInput where there is none."""
    directory = Path(path)
    require_there(directory)
    report = _core.journal_verify(str(directory), expand_segment)
    damage: list[str] = list(report["damaged"])
    first = report["first_number"]
    if first > 1:
        pruned = read_pruned(directory)
        through = pruned.segment if pruned is not None else 0
        if through + 1 < first:
            damage.insert(0, f"{directory}: segments {through + 1} to {first - 1} are missing, not pruned")
    return VerifyReport(
        journal=str(UUID(bytes=report["uuid"])),
        frames=report["frames"],
        segments=report["segments"],
        sealed=report["sealed"],
        first_seq=report["first_seq"],
        last_seq=report["last_seq"],
        torn_bytes=report["torn_bytes"],
        damaged=len(damage),
        ok=not damage,
        damage=damage,
        path=str(directory),
        seal=report["seal"].hex(),
    )


def content_hash(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 over type, flags, stream, time and payload of every frame, as hex digits.

    Equal for tapes of equal content, whatever their uuid, epochs, segment sizes and creation time.
    """
    digest: bytes = _core.journal_content_hash(str(path), expand_segment)
    return digest.hex()

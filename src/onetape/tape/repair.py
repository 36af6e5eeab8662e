"""Makes a damaged tape usable again, when a person asks for it: never by itself."""

from __future__ import annotations

import os
from dataclasses import dataclass

from onetape import _core
from onetape.tape.expand import expand_segment

__all__ = ["RepairReport", "repair"]


@dataclass(frozen=True, slots=True)
class RepairReport:
    """Reports what was found, what is left, and where the rest lies now."""

    path: str
    changed: bool
    last_seq: int
    frames_lost: int
    damage: list[str]
    set_aside: list[str]


def repair(path: str | os.PathLike[str]) -> RepairReport:
    """Sets everything from the first damage on aside; a sound tape is left as it is.

    Takes the journal's lock: JOURNAL_LOCKED while a writer holds it. Nothing is deleted.
    """
    report = _core.journal_repair(str(path), expand_segment)
    return RepairReport(
        path=str(path),
        changed=report["changed"],
        last_seq=report["last_seq"],
        frames_lost=report["frames_lost"],
        damage=list(report["damage"]),
        set_aside=list(report["set_aside"]),
    )

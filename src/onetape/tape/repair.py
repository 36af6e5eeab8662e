"""Make a damaged tape usable again, only on request: never automatically."""

from __future__ import annotations

import os
from dataclasses import dataclass

from onetape import _core
from onetape.tape.expand import expand_segment

__all__ = ["RepairReport", "repair"]


@dataclass(frozen=True, slots=True)
class RepairReport:
    """The damage found, the usable rest, and where the removed part is now."""

    path: str
    changed: bool
    last_seq: int
    frames_lost: int
    damage: list[str]
    set_aside: list[str]


def repair(path: str | os.PathLike[str]) -> RepairReport:
    """Move everything from the first damage on aside; an undamaged tape stays unchanged.

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

"""How fast the journals of running processes grow, and for how long the disk has room."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onetape.model.time import DAY, SECOND
from onetape.preflight.findings import OK, WARNING, Finding
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["check_growth"]

LOOK_BACK: Final = 120 * SECOND
HEADER_BYTES: Final = 32  # of a frame; frames begin at multiples of eight bytes
FEW: Final = 10 * SECOND  # a shorter time gives no estimate for a day
DAYS_MIN: Final = 3.0
GB: Final = 10**9


def check_growth(home: Path) -> Iterator[Finding]:
    """Yields a finding with the recent growth of each journal, and one for all: a warning if the disk is full in less
    than DAYS_MIN days."""
    a_day = 0.0
    for path in sorted((home / "journal").glob("*")):
        found = _bytes_a_day(path) if is_tape(path) else 0.0
        if found:
            a_day += found
            yield Finding(OK, f"journal {path.name}", f"{found / GB:.2f} GB a day")
    if a_day:
        days = shutil.disk_usage(home).free / a_day
        state, todo = (OK, "") if days >= DAYS_MIN else (WARNING, "limit the journals with [retention]")
        yield Finding(state, "journals", f"{a_day / GB:.2f} GB a day, room for {days:,.0f} days", todo)


def _bytes_a_day(path: Path) -> float:
    """Returns a journal's growth in bytes per day; 0 if nobody writes it, or its recent frames span less than FEW."""
    now = time.time_ns()
    with JournalReader(path) as reader:
        if not reader.writer_alive:
            return 0.0
        reader.seek_time(now - LOOK_BACK)
        size, first = 0, 0
        for frame in reader.frames():
            first = first or frame.time
            size += HEADER_BYTES + (len(frame.payload) + 7) // 8 * 8
    span = now - first
    return size * DAY / span if first and span >= FEW else 0.0

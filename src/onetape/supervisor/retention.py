"""Retention: keeps the journals of a home from growing without end, while its processes write them.

Closed segments are compressed, and if [retention] says so the oldest are deleted: never those needed to replay runs
unless it says that too, never those that a gateway or the control plane needs for its next start, and never those
that the recorder has not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from onetape.model.errors import OnetapeError
from onetape.model.sections import CONTROL, Config, RetentionConfig
from onetape.model.time import SECOND, parse_duration
from onetape.options.recorder import forget_recorded, has_recorder, unrecorded_from
from onetape.tape.prune import compress, prune
from onetape.tape.segments import is_tape

__all__ = ["keep_to", "retain"]

PLAIN_KEPT: Final = 4  # closed segments that stay uncompressed: starting processes read the newest
MIB: Final = 1 << 20


def retain(home: Path, config: Config) -> list[str]:
    """Applies the rules once to all journals of a home; returns a line for each change or failure."""
    said = []
    for journal in sorted((home / "journal").iterdir()):
        if journal.is_symlink() or not is_tape(journal):  # of another host's the copy follows its retention
            continue
        try:
            said += _of_one(journal, config)
        except (OnetapeError, OSError) as error:
            said.append(f"{journal.name}: {error}")
    return said


def _of_one(journal: Path, config: Config) -> list[str]:
    said: list[str] = []
    rules: RetentionConfig = config.retention
    if not has_recorder(config):
        forget_recorded(journal)  # no recorder is configured any more, so nothing waits for it
    if rules.older or rules.size:
        report = prune(
            journal,
            older=rules.older or None,
            size=rules.size or None,
            keep_sequence=unrecorded_from(journal, config),
            force=rules.runs == "drop" and journal.name != CONTROL,
        )
        if report.removed:
            freed = f"{report.freed_bytes // MIB} MiB"
            said.append(f"{journal.name}: {len(report.removed)} segments, {freed}, were deleted")
        if report.unreplayable:
            gone = ", ".join(report.unreplayable)
            said.append(f"{journal.name}: can no longer be replayed completely: {gone}")
        if report.kept_by_sequence:
            said.append(f"{journal.name}: old segments stay until they are recorded")
        if report.kept_by_runs:
            kept = ", ".join(report.kept_by_runs)
            said.append(f"{journal.name}: old segments stay for {kept}")
    if rules.compress and (packed := compress(journal, keep=PLAIN_KEPT)):
        said.append(f"{journal.name}: {len(packed)} segments were compressed")
    return said


async def keep_to(home: Path, config: Callable[[], Config], say: Callable[[str], None]) -> None:
    """Applies the rules repeatedly, in a thread beside the loop. Repeated messages are reported once. config: the
    present one."""
    loop, before = asyncio.get_running_loop(), set[str]()
    while True:
        await asyncio.sleep(parse_duration(config().retention.every) / SECOND)
        lines = await loop.run_in_executor(None, retain, home, config())
        for line in lines:
            if line not in before:
                say(line)
        before = set(lines)

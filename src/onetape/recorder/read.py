"""Reads the present records of a home."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from onetape.model.sections import Config
from onetape.options.recorder import recorder_options
from onetape.recorder.projection import READ
from onetape.recorder.recorder import Recorder, gateway_journals, is_begun
from onetape.store.records import Records, metadata
from onetape.tape.journal import JournalReader

__all__ = ["records_of"]

CURRENT_WITHIN_S: Final = 3.0  # time to wait for a running recorder
BOOKED: Final = tuple(name for name in READ if name != "quote")


@contextmanager
def records_of(home: Path, config: Config, environ: Mapping[str, str], folder: Path) -> Iterator[Records]:
    """Yields the present records of a home. If no recorder runs, its journals are projected first, as a recorder
    would."""
    options = recorder_options(config, home=home, folder=folder, environ=environ)
    records = Records(options.url, home=home)
    try:
        if records.take_lease():
            _wait(records, home)
        else:
            recorder = Recorder(home, records, leverage=options.leverage)
            while recorder.step() and recorder.is_behind:
                pass
            records.drop_lease()
        yield records
    finally:
        records.close()


def _wait(records: Records, home: Path) -> None:
    """Waits until the running recorder has read the present frames of orders and money."""
    cursors, until = metadata.tables["record_cursors"], time.monotonic() + CURRENT_WITHIN_S
    wanted: dict[str, int] = {}
    while time.monotonic() < until:
        found = {row["journal"]: row["seq"] for row in records.rows(sa.select(cursors.c.journal, cursors.c.seq))}
        if not wanted:
            wanted = dict(_unread(home, found))
        if all(found.get(journal, 0) >= last for journal, last in wanted.items()):
            return
        time.sleep(0.05)


def _unread(home: Path, cursors: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yields the last frame of each journal that is beyond its cursor and not only a price."""
    for path in filter(is_begun, gateway_journals(home).values()):
        with JournalReader(path) as reader:
            journal = reader.uuid.hex
            reader.seek_sequence(cursors.get(journal, 0) + 1)
            last = max((frame.sequence for frame in reader.frames(BOOKED)), default=0)
            if last:
                yield journal, last

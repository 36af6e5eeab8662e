"""Export a tape as tables, one for each event type: parquet, csv or jsonl, in constant memory.

Prices and sizes are exact decimals: text in csv and jsonl, decimal128 in parquet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from onetape.data.staging import staged
from onetape.data.table_row import RowMaker
from onetape.data.table_writer import TableWriter, open_writer
from onetape.model.errors import BadInput, UsageError
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

FORMATS: Final = ("parquet", "csv", "jsonl")
REPORT_EVERY: Final = 1 << 14
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")

Progress = Callable[[float, float | None], None]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The result of an export. `tables` counts rows by event type."""

    tape: Path
    out: Path
    format: str
    tables: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return {
            "tape": str(self.tape),
            "out": str(self.out),
            "format": self.format,
            "tables": self.tables,
            "files": [str(self.out / f"{name}.{self.format}") for name in self.tables],
        }


def check_format(name: str) -> None:
    """Raises UsageError for an unknown format of tables."""
    if name not in FORMATS:
        raise UsageError(f"no format is called {name!r}", todo=f"use {', '.join(FORMATS)}")


def export_tape(tape: Path | str, *, format: str, out: Path | str, progress: Progress | None = None) -> ExportResult:
    """Write `out`/TYPE.FORMAT for every event type of the tape.

    `out` must not exist, or be an empty folder; it is written atomically. Raises UsageError, BadInput if `tape` is no
    tape, TornTape if it is damaged, NotAvailable if parquet's libraries are not installed.
    """
    tape, out = Path(tape), Path(out)
    check_format(format)
    if not is_tape(tape):
        raise BadInput("this is no tape", location=str(tape), todo="name a directory of segments")
    rows: dict[str, int] = {}
    with staged(out, may_be_empty=True) as directory:
        writers: dict[str, TableWriter] = {}
        try:
            with JournalReader(tape) as reader:
                last = reader.last_sequence
                maker = RowMaker(reader)
                for count, record in enumerate(reader, 1):
                    writer = writers.get(record.type)
                    if writer is None:
                        name = _file_name(record.type, rows)
                        shape = maker.shape(record.type)
                        writer = open_writer(format, directory / f"{name}.{format}", shape)
                        writers[record.type] = writer
                        rows[name] = 0
                    writer.add(maker.row(record))
                    if progress is not None and count % REPORT_EVERY == 0:
                        progress(count, last or None)
        finally:
            for writer in writers.values():
                writer.close()
        for writer, name in zip(writers.values(), rows, strict=True):
            rows[name] = writer.count
    return ExportResult(tape, out, format, dict(sorted(rows.items())))


def _file_name(event: str, taken: dict[str, int]) -> str:
    """Returns the file's name: that of the event type, unless a foreign tape's type would name a file outside `out`."""
    name = event if _SAFE_NAME.match(event) else f"type-{len(taken) + 1}"
    while name in taken:
        name += "-"
    return name

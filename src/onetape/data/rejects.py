"""List undecodable lines beside the tape: `rejects.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

FILE_NAME: Final = "rejects.jsonl"
SHOWN_CHARS: Final = 80
# The core lists the first 10,000 and counts the rest.

Reject = tuple[int, int, bytes, bytes]  # source index, line from 1, reason, first 200 bytes


def reject_text(reject: Reject, cell: str | None = None) -> str:
    """Returns the line's number, the reason, and the wrong cell if it is known, with the line's text."""
    _, line, reason, text = reject
    shown = ascii(text.decode("utf-8", "replace")[:SHOWN_CHARS])
    why = reason.decode("utf-8", "replace")
    if cell is None:
        return f"line {line}: {why}: {shown}" if text else f"line {line}: {why}"
    return f"line {line}: {why}: {cell[:SHOWN_CHARS]!a} in {shown}"


class RejectFile:
    """Writes rejects as they come; without rejects there is no file.

    A line: {"source", "line", "reason", "text"}, pure ASCII: control characters and invalid UTF-8 are escaped, so that
    a terminal is safe.
    """

    def __init__(self, directory: Path, names: list[str]) -> None:
        self._path = directory / FILE_NAME
        self._names = names
        self.first: Reject | None = None

    @property
    def why(self) -> str:
        """Returns `: ` and the first reject in words, to end a sentence; "" without rejects."""
        return f": {reject_text(self.first)}" if self.first else ""

    def add(self, rejects: list[Reject]) -> None:
        """Append rejects."""
        if not rejects:
            return
        self.first = self.first or rejects[0]
        with self._path.open("a", encoding="ascii") as file:
            for source, line, reason, text in rejects:
                record = {
                    "source": self._names[source],
                    "line": line,
                    "reason": reason.decode("utf-8", "backslashreplace"),
                    "text": text.decode("utf-8", "backslashreplace"),
                }
                file.write(json.dumps(record) + "\n")
        self._path.chmod(0o600)

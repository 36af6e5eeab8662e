"""Lines that were not decoded, listed beside the tape: `rejects.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

FILE_NAME: Final = "rejects.jsonl"
# The core lists the first 10,000 and counts the rest.

Reject = tuple[int, int, bytes, bytes]  # source index, line from 1, reason, first 200 bytes


class RejectFile:
    """Writes rejects as they come; there is no file without any.

    A line: {"source", "line", "reason", "text"}, pure ASCII: control characters and what is no
    UTF-8 are escaped, so that a terminal is safe.
    """

    def __init__(self, directory: Path, names: list[str]) -> None:
        self._path = directory / FILE_NAME
        self._names = names
        self.first: str = ""

    def add(self, rejects: list[Reject]) -> None:
        """Append them."""
        if not rejects:
            return
        with self._path.open("a", encoding="ascii") as file:
            for source, line, reason, text in rejects:
                record = {
                    "source": self._names[source],
                    "line": line,
                    "reason": reason.decode("utf-8", "backslashreplace"),
                    "text": text.decode("utf-8", "backslashreplace"),
                }
                if not self.first:
                    self.first = f"line {line}: {record['reason']}"
                file.write(json.dumps(record) + "\n")
        self._path.chmod(0o600)

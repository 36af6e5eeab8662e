"""Find the line of a key in a TOML text, so that an error about a value can name it.

`tomllib` gives values without positions. Here valid TOML is cut into statements: a statement ends at the first line
at which its text so far is valid TOML.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Path = tuple[str, ...]
_ENDS = ("]", "}", '"""', "'''")  # a line containing one of them ends a multi-line statement


def key_lines(text: str) -> dict[Path, int]:
    """Returns the path of every table and key -> its first line, counted from 1. For an array of tables the path
    contains each one's number, from 0: ("fault", "1", "action")."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        first = first if statement else number
        statement += line + "\n"
        if number > first and not any(end in line for end in _ENDS):
            continue
        try:
            value = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a text or an array over several lines
        begin, statement = statement.lstrip(), ""
        paths = list(_paths(value))
        if begin.startswith("["):
            table = paths[-1]
            if begin.startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            paths = [()]
        for path in paths:
            whole = (*table, *path)
            for length in range(1, len(whole) + 1):
                found.setdefault(whole[:length], first)
    return found


def line_of(lines: Mapping[Path, int], path: Sequence[str]) -> int:
    """Returns the line of the path, or of the nearest table around it; 0 if neither is in the file."""
    for length in range(len(path), 0, -1):
        if line := lines.get(tuple(path[:length])):
            return line
    return 0


def _paths(value: Mapping[str, Any]) -> Iterator[Path]:
    for key, inner in value.items():
        yield (key,)
        if isinstance(inner, dict):
            yield from ((key, *path) for path in _paths(inner))

"""On which line of a TOML text a key stands, so that an error about a value can say so.

`tomllib` gives values without positions. This is not a second parser: it is given text that
tomllib has accepted, and only follows table headers, keys and what may hide them (strings over
several lines, arrays, inline tables).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Path of every table and key -> its first line, counted from 1. Of an array of tables the
    number of each stands in the path, from 0: ("fault", "1", "action")."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    at = 0
    while at < len(text):
        at = _skip_blank(text, at)
        if at >= len(text):
            break
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            double = text.startswith("[[", at)
            end = _end_of_key(text, at + (2 if double else 1), "]")
            table = _parts(text[at + (2 if double else 1) : end])
            if double:
                number = counts[table] = counts.get(table, -1) + 1
                table = (*table, str(number))
            _note(found, table, line)
            at = end + (2 if double else 1)
        else:
            at = _pair(text, at, table, found)
    return found


def line_of(lines: dict[Path, int], path: Sequence[str]) -> int:
    """The line of the path, or of the nearest table around it; 0 if neither is in the file."""
    for length in range(len(path), 0, -1):
        if line := lines.get(tuple(path[:length])):
            return line
    return 0


def _pair(text: str, at: int, table: Path, found: dict[Path, int]) -> int:
    line = text.count("\n", 0, at) + 1
    end = _end_of_key(text, at, "=")
    path = (*table, *_parts(text[at:end]))
    _note(found, path, line)
    return _skip_value(text, end + 1, path, found)


def _note(found: dict[Path, int], path: Path, line: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], line)


def _parts(key: str) -> Path:
    """The parts of a dotted key, quotes and escapes undone by the real parser."""
    value = tomllib.loads(f"{key.strip()} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        parts.append(name)
    return tuple(parts)


def _end_of_key(text: str, at: int, stop: str) -> int:
    while at < len(text) and text[at] != stop:
        at = _skip_string(text, at) if text[at] in "\"'" else at + 1
    return at


def _skip_blank(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "#":
            at = _line_end(text, at)
        elif text[at] in " \t\r\n,":
            at += 1
        else:
            return at
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _skip_string(text: str, at: int) -> int:
    quote = text[at]
    mark = quote * 3 if text.startswith(quote * 3, at) else quote
    at += len(mark)
    while at < len(text) and not text.startswith(mark, at):
        at += 2 if quote == '"' and text[at] == "\\" else 1
    at += len(mark)
    while len(mark) == 3 and at < len(text) and text[at] == quote:
        at += 1  # up to two quotes may stand before the closing three
    return at


def _skip_value(text: str, at: int, path: Path, found: dict[Path, int]) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    if at >= len(text):
        return at
    if text[at] in "\"'":
        return _skip_string(text, at)
    if text[at] == "[":
        return _skip_array(text, at + 1, path)
    if text[at] == "{":
        at += 1
        while True:
            at = _skip_blank(text, at)
            if at >= len(text) or text[at] == "}":
                return at + 1
            at = _pair(text, at, path, found)
    while at < len(text) and text[at] not in ",}]#\n":
        at += 1
    return at


def _skip_array(text: str, at: int, path: Path) -> int:
    while True:
        at = _skip_blank(text, at)
        if at >= len(text) or text[at] == "]":
            return at + 1
        at = _skip_value(text, at, path, {})

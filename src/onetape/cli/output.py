"""Reserve standard output under --json for one value, and redirect everything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from onetape.model.shown import json_shown

_reserved = [1]  # descriptors of the real standard output, the innermost last


@contextmanager
def reserved_stdout() -> Iterator[int]:
    """Redirect all output, also of C code, to standard error. Yields the descriptor of the real standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    held = sys.stdout
    try:
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        _reserved.append(kept)
        yield kept
    finally:
        if _reserved[-1] == kept:
            _reserved.pop()
        sys.stdout = held
        os.dup2(kept, 1)
        os.close(kept)


def to_json(value: object) -> str:
    """Writes one JSON value: money and paths as text, no NaN, numpy numbers as numbers."""
    import json

    return json_shown(json.dumps(_clean(value), ensure_ascii=False, allow_nan=False))


def _clean(value: object) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0.0 else None  # JSON has no NaN or infinity
    if isinstance(value, dict):
        return {str(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_clean(inner) for inner in value)
    if hasattr(value, "tolist"):
        return _clean(value.tolist())  # numpy
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def write_value(descriptor: int, value: object) -> None:
    """Write the one value and its newline, completely."""
    rest = memoryview((to_json(value) + "\n").encode())
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_line(line: str) -> None:
    """Write a line to the real standard output at once, while the command keeps running."""
    sys.stdout.flush()
    data = f"{line}\n".encode()
    while data:
        data = data[os.write(_reserved[-1], data) :]

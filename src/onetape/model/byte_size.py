"""Parse and format sizes of memory and files."""

from __future__ import annotations

import re
from typing import Final

from onetape.model.errors import UsageError

__all__ = ["format_bytes", "parse_bytes"]

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_bytes(text: str) -> int:
    """Returns the bytes of `500MB` (millions), `10GiB` (2**30), `4096`. Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no size", todo="write it like 500MB or 10GiB")
    unit = 1024 if match[3] else 1000
    return int(float(match[1]) * unit ** _POWERS[match[2].upper()])


def format_bytes(count: int) -> str:
    """Format bytes in millions: `1234 MB`."""
    return f"{count / 1e6:.0f} MB"

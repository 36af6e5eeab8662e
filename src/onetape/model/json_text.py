"""Read foreign JSON with bounded depth: messages of venues, feeds and clients."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

__all__ = ["DEPTH_MAX", "check_depth", "read_json"]

# The deepest known message of a venue has nine levels.
DEPTH_MAX: Final = 64
_BRACKETS: Final = b"[]{}"
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PAIR: Final = re.compile(rb"\[\]|\{\}")
_any: Final = msgspec.json.Decoder().decode


def read_json(body: bytes | str, decode: Callable[[bytes], Any] = _any) -> Any:
    """Returns the value, or the result of `decode`. Raises msgspec.DecodeError, a ValueError, also for values nested
    deeper than DEPTH_MAX: recursive code over the value must not exhaust the stack."""
    if isinstance(body, str):
        body = body.encode()
    check_depth(body)
    return decode(body)


def check_depth(body: bytes) -> None:
    """Raises msgspec.DecodeError when the text is nested too deep."""
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_deep(body):
        raise msgspec.DecodeError(f"JSON is nested deeper than {DEPTH_MAX} levels")


def _is_deep(body: bytes) -> bool:
    # Brackets inside texts are no levels.
    return _has_left(body) and _has_left(_STRING.sub(b'""', body))


def _has_left(body: bytes) -> bool:
    """Returns True when brackets are left after the innermost pairs were removed DEPTH_MAX times."""
    left = body.translate(None, _OTHERS)
    for _ in range(DEPTH_MAX):
        before = len(left)
        left = _PAIR.sub(b"", left)
        if len(left) == before:  # nothing is left, or it is not JSON
            break
    return bool(left)

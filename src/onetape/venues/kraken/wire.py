"""Kraken's JSON, and how pages of its lists are asked for."""

from __future__ import annotations

from typing import Any

from onetape.model.time import SECOND
from onetape.venues.numbers import exact_json

__all__ = ["page_terms", "parse"]


def parse(message: bytes) -> dict[str, Any]:
    """Every number as plain decimal text. Raises ValueError for what is no JSON object."""
    value = exact_json(message)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def page_terms(since: int, cursor: str) -> dict[str, str]:
    """Of lists, newest first, whose cursors are start:offset."""
    start, _, offset = cursor.partition(":")
    return {"start": start or str(max(since // SECOND - 1, 0)), "ofs": offset or "0"}

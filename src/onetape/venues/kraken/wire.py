"""Parses Kraken's JSON, and makes the parameters for pages of its lists."""

from __future__ import annotations

from typing import Any

from onetape.model.time import SECOND
from onetape.venues.numbers import exact_json

__all__ = ["page_terms", "parse"]


def parse(message: bytes) -> dict[str, Any]:
    """Parses JSON with every number as plain decimal text. Raises ValueError unless it is a JSON object."""
    value = exact_json(message)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def page_terms(since: int, cursor: str) -> dict[str, str]:
    """Returns the parameters for a page of a list, newest first. cursor: `START:OFFSET`."""
    start, _, offset = cursor.partition(":")
    return {"start": start or str(max(since // SECOND - 1, 0)), "ofs": offset or "0"}

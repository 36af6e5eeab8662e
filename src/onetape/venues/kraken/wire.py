"""Kraken's JSON, read exactly: numbers stay the text that they were sent as. And how pages of its
lists are asked for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from onetape.model.json_text import read_json
from onetape.model.time import SECOND

__all__ = ["page_terms", "parse"]


def parse(message: bytes) -> dict[str, Any]:
    """Every number as plain decimal text. Raises ValueError for what is no JSON object."""
    value = read_json(message, _loads)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _loads(message: bytes) -> Any:
    return json.loads(message, parse_float=_plain, parse_int=str, parse_constant=_refuse)


def _plain(text: str) -> str:
    if "e" not in text and "E" not in text:
        return text
    value = Decimal(text)
    if abs(value.adjusted()) > 40:
        raise ValueError(f"a number out of range: {text[:40]}")
    return format(value, "f")


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def page_terms(since: int, cursor: str) -> dict[str, str]:
    """Of lists, newest first, whose cursors are start:offset."""
    start, _, offset = cursor.partition(":")
    return {"start": start or str(max(since // SECOND - 1, 0)), "ofs": offset or "0"}

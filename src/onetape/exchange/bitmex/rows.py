"""Selects the requested rows of a BitMEX table: symbol, filter, times, columns, paging.

`count` (100 by default), `start` and `reverse` page through rows, oldest first; `startTime` and `endTime` are
inclusive. Source: BitMEX documentation, "Filtering" and "Pagination".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onetape.exchange.bitmex.wire import Refused, instant
from onetape.model.json_text import read_json

__all__ = ["Params", "flag", "page", "text", "whole"]

Params = dict[str, Any]
COUNT: Final = (100, 1000)  # default, maximum


def text(params: Params, name: str) -> str:
    """Returns a text parameter, "" if it was not sent or is null."""
    value = params.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def flag(params: Params, name: str) -> bool:
    return text(params, name).lower() in ("true", "1")


def whole(params: Params, name: str, usual: int, error: str) -> int:
    """Returns a non-negative integer parameter. Raises Refused with `error` otherwise."""
    said = text(params, name)
    if not said:
        return usual
    if not said.isascii() or not said.isdigit() or len(said) > 12:
        raise Refused(error)
    return int(said)


def filter_of(params: Params) -> dict[str, Any]:
    said = params.get("filter")
    if said in (None, ""):
        return {}
    if isinstance(said, str):
        try:
            said = read_json(said)
        except ValueError:
            raise Refused("Invalid filter") from None
    if not isinstance(said, dict):
        raise Refused("Invalid filter")
    return said


def _fits(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    for name, value in wanted.items():
        if name == "open":
            if value is not True:
                raise Refused("Invalid filter")
            if row.get("ordStatus") not in ("New", "PartiallyFilled"):
                return False
            continue
        if name in ("startTime", "endTime"):
            if not isinstance(value, str):
                raise Refused("Invalid filter")
            at, bound = instant(row["timestamp"]), instant(value)
            if at < bound if name == "startTime" else at > bound:
                return False
            continue
        found = row.get(name)
        if isinstance(value, list):
            if found not in value:
                return False
        elif found != value:
            return False
    return True


def page(rows: list[dict[str, Any]], params: Params, *, time: str = "timestamp") -> list[dict[str, Any]]:
    """Returns one page. `rows` are oldest first; `time` names their time column. Raises Refused."""
    count = whole(params, "count", COUNT[0], "Invalid count")
    start = whole(params, "start", 0, "Invalid count")
    if not 1 <= count <= COUNT[1]:
        raise Refused("Invalid count")
    wanted = filter_of(params)
    if said := text(params, "startTime"):
        begin = instant(said)
        rows = [r for r in rows if instant(r[time]) >= begin]
    if said := text(params, "endTime"):
        end = instant(said)
        rows = [r for r in rows if instant(r[time]) <= end]
    found = [r for r in rows if _fits(r, wanted)] if wanted else rows
    if flag(params, "reverse"):
        found = found[::-1]
    found = found[start : start + count]
    columns = params.get("columns")
    if columns:
        if isinstance(columns, str):
            try:
                columns = read_json(columns)
            except ValueError:
                columns = columns.split(",")
        kept = {*columns, time, "symbol"} if isinstance(columns, list) else None
        if kept is not None:
            found = [{k: v for k, v in r.items() if k in kept} for r in found]
    return found

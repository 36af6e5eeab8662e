"""Raw Binance depth captures as integer book changes, for the tests beside this file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Change:
    is_snapshot: bool
    bids: NDArray[np.int64]
    asks: NDArray[np.int64]
    first_id: int
    last_id: int
    previous_id: int


def levels(rows: list[list[str]], decimals: tuple[int, int]) -> NDArray[np.int64]:
    price, size = (Decimal(10) ** d for d in decimals)
    exact = [(int(Decimal(p) * price), int(Decimal(s) * size)) for p, s in rows]
    return np.array(exact, dtype=np.int64).reshape(-1, 2)


def snapshot(body: dict[str, Any], decimals: tuple[int, int]) -> Change:
    return Change(True, levels(body["bids"], decimals), levels(body["asks"], decimals), 0, body["lastUpdateId"], 0)


def depth(
    path: Path, decimals: tuple[int, int], limit: int | None = None
) -> Iterator[Change | tuple[int, str, str, str, str]]:
    """Depth messages and snapshots as Change, bookTicker as (u, b, B, a, A), in file order."""
    with gzip.open(path, "rt") as lines:
        for count, line in enumerate(lines):
            if count == limit:
                return
            body = json.loads(line.split(" ", 1)[1])
            if "lastUpdateId" in body:
                yield snapshot(body, decimals)
            elif "depth" in body.get("stream", ""):
                d = body["data"]
                yield Change(False, levels(d["b"], decimals), levels(d["a"], decimals), d["U"], d["u"], d.get("pu", 0))
            elif "bookTicker" in body.get("stream", ""):
                d = body["data"]
                yield d["u"], d["b"], d["B"], d["a"], d["A"]

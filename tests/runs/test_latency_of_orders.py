"""How long orders took, by direction: from a run's stamps, in milliseconds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from onetape.model.time import MS
from onetape.runs.tca import _latency


def test_the_way_there_and_the_way_back_add_up():
    def order(**more) -> SimpleNamespace:
        return SimpleNamespace(
            **{"time": 0, "arrived": 2 * MS, "answered": 5 * MS, "forced": False, "location": ""} | more
        )

    orders = [*(order() for _ in range(3)), order(forced=True), order(answered=0), order(location="b", arrived=4 * MS)]
    found: Any = SimpleNamespace(orders=dict(enumerate(orders)))
    rows = _latency(found, "a")
    assert [(row["strategy"], row["way"], row["orders"]) for row in rows] == [
        (name, way, count)
        for name, count in (("a", 3), ("b", 1))
        for way in ("order_to_venue", "venue_to_robot", "both")
    ]
    assert [row["median"] for row in rows] == [2, 3, 5, 4, 1, 5]

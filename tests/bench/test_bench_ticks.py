"""The bare venue of the tick-to-order figures answers a gateway as the figures need it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from long_form import long_form

BENCH = str(Path(__file__).resolve().parents[2] / "bench")
sys.path.insert(0, BENCH)
try:
    import tick_to_order
finally:
    sys.path.remove(BENCH)

TICKS = 20
# With those that come before they are measured longer than a gateway trades on a silent market.
EVERY_US = 10_000


@pytest.mark.parametrize("stage", ["socket", *long_form("rest", "spin")])
def test_each_tick_has_its_order_and_its_stamps(stage):
    options = argparse.Namespace(ticks=TICKS, every_us=EVERY_US)
    with tick_to_order.venue(options) as (child, reported):
        measured = tick_to_order.live(child, reported, stage)
    assert len(measured["seen"]) == TICKS
    assert min(measured["seen"]) > 0
    for gap in tick_to_order.GAPS:
        assert len(measured[gap]) >= TICKS  # the first bid may be the one that it starts with
        assert min(measured[gap]) >= 0

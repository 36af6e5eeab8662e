"""The figures of time travel: they run on what replay is now."""

from __future__ import annotations

import sys
from pathlib import Path

# Only for these: other rooms of the tests have modules of the same names as benches.
BENCH = str(Path(__file__).resolve().parents[2] / "bench")
sys.path.insert(0, BENCH)
try:
    import time_travel
finally:
    sys.path.remove(BENCH)


def test_a_day_is_replayed_and_travelled():
    found = time_travel.measure(20_000, 3)
    assert found["on_quote"]["copies"] >= 2
    figures = time_travel.figures(found)
    assert len(figures) == 10
    assert all(each["value"] > 0 for each in figures)

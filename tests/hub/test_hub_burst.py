"""A short burst over the hub's process: bench/hub_burst.py is the long one."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from hub_burst import burst


def test_of_a_burst_no_trade_is_lost_or_doubled_and_memory_is_bounded(tmp_path):
    found = burst(tmp_path, 0.5, 200_000)
    assert found.trades == 25_000 and not found.lost and not found.doubled
    # What is kept of trades, of twenty symbols, and nothing that grows with what comes.
    assert found.grown_mib < 200

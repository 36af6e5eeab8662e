"""The figures of a gateway's path: they run on what the gateway is now."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

# Only for these: other rooms of the tests have modules of the same names as benches.
BENCH = str(Path(__file__).resolve().parents[2] / "bench")
sys.path.insert(0, BENCH)
try:
    import gate_open_orders
    import gateway_memory
    import order_inside
finally:
    sys.path.remove(BENCH)


def test_each_tick_makes_one_order_that_is_settled():
    inside, turns, alone = asyncio.run(order_inside.measure(20))
    assert len(inside) == 20 - 1
    assert len(alone) == 20
    assert all(found < turn for found, turn in zip(inside, turns, strict=True))
    assert min(inside) > 0


def test_a_thousand_orders_leave_nothing_open():
    assert gateway_memory.BATCH == 1000
    found = asyncio.run(gateway_memory.measure(1000))
    assert found["end"] >= found["early"] > 0


def test_the_gate_is_asked_with_many_orders_open():
    found = gate_open_orders.measure(2)
    assert tuple(found) == gate_open_orders.OPEN
    assert min(found.values()) > 0

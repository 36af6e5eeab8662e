"""hftbacktest 2.4.4 over our quotes, as depth of one level.

    python hftbacktest_quotes.py quotes.npy noop|taker|plain

noop waits for each feed event in a compiled loop, plain does so in plain Python, which is nearest
to a callback per quote; taker also sends a marketable order of 0.01 every hundredth event. The
first, compiling run is outside the clock, and so is loading. A quote is two to four rows here, so
`events` counts quotes, not rows.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.order import IOC
from hftbacktest.types import event_dtype
from numba import njit

BOTH = EXCH_EVENT | LOCAL_EVENT
LATENCY_NS = 1_000_000


def as_events(rows: np.ndarray) -> np.ndarray:
    """For each quote: the levels that it left go, the new bid and ask come."""
    rows_of = []
    for side, column in ((BUY_EVENT, 1), (SELL_EVENT, 3)):
        left = np.flatnonzero(np.diff(rows[:, column])) + 1
        for at, price, size in (
            (left, rows[left - 1, column], np.zeros(len(left))),
            (np.arange(len(rows)), rows[:, column], rows[:, column + 1] / 1000),
        ):
            part = np.zeros(len(at), dtype=event_dtype)
            part["ev"] = BOTH | DEPTH_EVENT | side
            part["exch_ts"] = part["local_ts"] = rows[at, 0]
            part["px"], part["qty"] = price / 10, size
            rows_of.append((at * 2 + (size > 0), part))  # what goes, goes before what comes
    order = np.argsort(np.concatenate([key for key, _ in rows_of]), kind="stable")
    return np.ascontiguousarray(np.concatenate([part for _, part in rows_of])[order])


def watch(hbt):
    seen = 0
    while hbt.wait_next_feed(False, 10**15) == 2:
        seen += 1
    return seen, 0


def take(hbt):
    seen = orders = 0
    while hbt.wait_next_feed(False, 10**15) == 2:
        seen += 1
        if seen % 100 == 0:
            hbt.clear_inactive_orders(0)
            depth = hbt.depth(0)
            orders += 1
            if orders % 2:
                hbt.submit_buy_order(0, orders, depth.best_ask, 0.01, IOC, LIMIT, False)
            else:
                hbt.submit_sell_order(0, orders, depth.best_bid, 0.01, IOC, LIMIT, False)
    return seen, orders


def make(events: np.ndarray):
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, LATENCY_NS)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(0.1)
        .lot_size(0.001)
    )
    return HashMapMarketDepthBacktest([asset])


def main(path: str, mode: str) -> None:
    rows = np.load(path)
    events = as_events(rows)
    loop = {"noop": njit(watch), "taker": njit(take), "plain": watch}[mode]
    if mode != "plain":
        warm = make(events[:4_000])
        loop(warm)
        warm.close()
    hbt = make(events)
    began = time.perf_counter()
    seen, orders = loop(hbt)
    seconds = time.perf_counter() - began
    hbt.close()
    print(json.dumps({"events": len(rows), "seconds": seconds, "orders": orders, "wakes": seen}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

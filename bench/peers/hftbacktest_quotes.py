"""hftbacktest 2.4.4 over our quotes, as depth of one level.

    python hftbacktest_quotes.py quotes.npy noop|taker|plain

noop waits for each feed event in a compiled loop, plain does so in plain Python, which is nearest
to a callback per quote; taker also sends a marketable order of 0.01 every hundredth event. The
first, compiling run is outside the clock, and so is loading. A quote is four rows here, so `events`
counts quotes, not rows.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
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
    """For each quote: the old levels go, the new bid and ask come."""
    out = np.zeros(len(rows) * 4, dtype=event_dtype)
    for offset, (kind, side, price, size) in enumerate(
        (
            (DEPTH_CLEAR_EVENT, BUY_EVENT, rows[:, 1], 0),
            (DEPTH_CLEAR_EVENT, SELL_EVENT, rows[:, 3], 0),
            (DEPTH_EVENT, BUY_EVENT, rows[:, 1], rows[:, 2]),
            (DEPTH_EVENT, SELL_EVENT, rows[:, 3], rows[:, 4]),
        )
    ):
        part = out[offset::4]
        part["ev"] = BOTH | kind | side
        part["exch_ts"] = part["local_ts"] = rows[:, 0]
        # A clear removes everything up to the price: far beyond any that occurs.
        part["px"] = (
            (0.0 if side == BUY_EVENT else 1e7) if kind == DEPTH_CLEAR_EVENT else price / 10
        )
        part["qty"] = size / 1000 if kind == DEPTH_EVENT else 0.0
    return out


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

"""hftbacktest 2.4.4 over a recorded day of depth and trades.

    python hftbacktest_l2.py FOLDER noop|one|grid|plain

FOLDER gets the capture in its own format, by its own converter. noop only lets 10 ms pass; one
cancels the last order and submits another each 10 ms; grid wants 20 x 20 orders each 100 ms; plain
is `one` without the compiler. Its models: latency 1 ms each way (grid 10 ms), power queue of 2, no
partial fills, maker rebate 0.005 %, taker 0.07 %. The first, compiling run is outside the clock.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import BUY, GTX, LIMIT, SELL, BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.data.utils import binancefutures
from numba import njit, uint64
from numba.typed import Dict

FOLDER = Path(__file__).resolve().parent
CAPTURE = FOLDER.parents[1] / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
RUNS = 5


def noop(hbt):
    steps = 0
    while hbt.elapse(10_000_000) == 0:
        steps += 1
    return steps, 0


def one(hbt):
    steps = 0
    last = 0
    while hbt.elapse(10_000_000) == 0:
        steps += 1
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        orders = hbt.orders(0)
        if last > 0:
            order = orders.get(last)
            if order is not None and order.cancellable:
                hbt.cancel(0, last, False)
        if np.isfinite(depth.best_bid) and np.isfinite(depth.best_ask):
            last += 1
            if last % 2 == 0:
                hbt.submit_buy_order(0, last, depth.best_bid, 0.01, GTX, LIMIT, False)
            else:
                hbt.submit_sell_order(0, last, depth.best_ask, 0.01, GTX, LIMIT, False)
    return steps, last


def grid(hbt):
    steps = 0
    sent = 0
    tick = hbt.depth(0).tick_size
    gap, half = tick * 10, tick * 20
    while hbt.elapse(100_000_000) == 0:
        steps += 1
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        held = hbt.position(0)
        orders = hbt.orders(0)
        middle = (depth.best_bid + depth.best_ask) / 2.0
        bid = np.floor((middle - half) / gap) * gap
        ask = np.ceil((middle + half) / gap) * gap
        bids = Dict.empty(np.uint64, np.float64)
        asks = Dict.empty(np.uint64, np.float64)
        if held < 5 and np.isfinite(bid):
            for _ in range(20):
                bids[uint64(round(bid / tick))] = bid
                bid -= gap
        if held > -5 and np.isfinite(ask):
            for _ in range(20):
                asks[uint64(round(ask / tick))] = ask
                ask += gap
        values = orders.values()
        while values.has_next():
            order = values.get()
            wanted = bids if order.side == BUY else asks
            if order.cancellable and order.side in (BUY, SELL) and order.order_id not in wanted:
                hbt.cancel(0, order.order_id, False)
        for number, price in bids.items():
            if number not in orders:
                sent += 1
                hbt.submit_buy_order(0, number, price, 0.1, GTX, LIMIT, False)
        for number, price in asks.items():
            if number not in orders:
                sent += 1
                hbt.submit_sell_order(0, number, price, 0.1, GTX, LIMIT, False)
    return steps, sent


LOOPS = {"noop": noop, "one": one, "grid": grid}


def capture(folder: Path) -> Path:
    """The capture in its own format, made by its own converter where it is missing."""
    data = folder / "btcusdt-l2.npz"
    if not data.exists():
        binancefutures.convert(str(CAPTURE), output_filename=str(data), combined_stream=True, buffer_size=5_000_000)
    return data


def engine(files: list[str], mode: str) -> ROIVectorMarketDepthBacktest:
    latency = 10_000_000 if mode == "grid" else 1_000_000
    return ROIVectorMarketDepthBacktest(
        [
            BacktestAsset()
            .data(files)
            .linear_asset(1.0)
            .constant_order_latency(latency, latency)
            .power_prob_queue_model(2.0)
            .no_partial_fill_exchange()
            .trading_value_fee_model(-0.00005, 0.0007)
            .tick_size(0.1)
            .lot_size(0.001)
            .roi_lb(0.0)
            .roi_ub(200_000.0)
        ]
    )


def main() -> None:
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    data = capture(folder)
    rows = len(np.load(data)["data"])
    plain = LOOPS["one" if mode == "plain" else mode]
    loop = plain if mode == "plain" else njit(plain)
    best, steps, orders, trades = float("inf"), 0, 0, 0
    for number in range(2 if mode == "plain" else RUNS + 1):
        hbt = engine([str(data)], mode)
        began = time.perf_counter()
        steps, orders = loop(hbt)
        seconds = time.perf_counter() - began
        trades = int(hbt.state_values(0).num_trades)
        hbt.close()
        if number or mode == "plain":
            best = min(best, seconds)
    print(json.dumps({"events": rows, "seconds": best, "steps": steps, "orders": orders, "trades": trades}))


if __name__ == "__main__":
    main()

"""Which orders fill in hftbacktest 2.4.4: an order of 0.01 each 10 ms at the own touch, the last
one canceled. Writes FOLDER/hftbacktest-fills.json: what was sent (number, time, price) and what
filled (number: time there, price). Run it in the rival's environment, then compare_fills.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from hftbacktest import BUY, FILLED, GTX, LIMIT, BacktestAsset, ROIVectorMarketDepthBacktest

MS = 1_000_000


def main() -> None:
    folder = Path(sys.argv[1])
    hbt = ROIVectorMarketDepthBacktest(
        [
            BacktestAsset()
            .data([str(folder / "btcusdt-l2.npz")])
            .linear_asset(1.0)
            .constant_order_latency(MS, MS)
            .power_prob_queue_model(2.0)
            .no_partial_fill_exchange()
            .trading_value_fee_model(-0.00005, 0.0007)
            .tick_size(0.1)
            .lot_size(0.001)
            .roi_lb(0.0)
            .roi_ub(200_000.0)
        ]
    )
    sent, filled, number = [], {}, 0
    while hbt.elapse(10 * MS) == 0:
        orders = hbt.orders(0)
        values = orders.values()
        while values.has_next():
            order = values.get()
            if order.status == FILLED:
                price = round(order.exec_price_tick * 0.1, 1)
                filled[int(order.order_id)] = (int(order.exch_timestamp), price)
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        if number:
            order = orders.get(number)
            if order is not None and order.cancellable:
                hbt.cancel(0, number, False)
        if np.isfinite(depth.best_bid) and np.isfinite(depth.best_ask):
            number += 1
            send = hbt.submit_buy_order if number % 2 == 0 else hbt.submit_sell_order
            price = depth.best_bid if number % 2 == 0 else depth.best_ask
            send(0, number, price, 0.01, GTX, LIMIT, False)
            sent.append((number, int(hbt.current_timestamp), round(price, 1)))
    hbt.close()
    assert BUY == 1
    found = {"sent": sent, "filled": filled}
    (folder / "hftbacktest-fills.json").write_text(json.dumps(found))
    print(f"{len(sent)} sent, {len(filled)} filled")


if __name__ == "__main__":
    main()

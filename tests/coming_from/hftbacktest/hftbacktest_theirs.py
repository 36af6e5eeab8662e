"""An order at the own touch, in hftbacktest: python hftbacktest_theirs.py depth.npz"""

import json
import sys
from importlib.metadata import version

import numpy as np
from hftbacktest import FILLED, GTX, LIMIT, BacktestAsset, HashMapMarketDepthBacktest
from numba import njit


@njit
def touch(hbt):
    fills, order_id = [], 0
    while hbt.elapse(1_000_000_000) == 0:
        orders = hbt.orders(0)
        order = orders.get(order_id) if order_id > 0 else None
        if order is not None and order.status == FILLED:
            fills.append((order.side, order.exec_qty, order.exch_timestamp, order.exec_price))
        hbt.clear_inactive_orders(0)
        depth, position = hbt.depth(0), hbt.position(0)
        if np.isnan(depth.best_bid) or np.isnan(depth.best_ask):
            continue
        price = depth.best_ask if position > 0 else depth.best_bid
        order = orders.get(order_id) if order_id > 0 else None
        if order is not None:
            if abs(order.price - price) > depth.tick_size / 2 and order.cancellable:
                hbt.cancel(0, order_id, False)
            continue
        order_id += 1
        if position > 0:
            hbt.submit_sell_order(0, order_id, price, position, GTX, LIMIT, False)
        else:
            hbt.submit_buy_order(0, order_id, price, 0.01, GTX, LIMIT, False)
    return fills


def main() -> None:
    asset = (
        BacktestAsset()
        .data([sys.argv[1]])
        .linear_asset(1.0)
        .constant_order_latency(1_000_000, 1_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(0.1)
        .lot_size(0.001)
    )
    hbt = HashMapMarketDepthBacktest([asset])
    fills = touch(hbt)
    state, depth = hbt.state_values(0), hbt.depth(0)
    mid = (depth.best_bid + depth.best_ask) / 2
    profit = state.balance + state.position * mid - state.fee
    trades = [
        {"side": "buy" if side > 0 else "sell", "quantity": round(quantity, 3), "time": time, "price": round(price, 1)}
        for side, quantity, time, price in fills
    ]
    print(json.dumps({"version": version("hftbacktest"), "profit": profit, "trades": trades}))
    hbt.close()


if __name__ == "__main__":
    main()

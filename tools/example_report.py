"""Writes the report of a made-up run, to look at the page without running anything.

python tools/example_report.py example.html [FILLS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from onetape.store.report import write_report
from onetape.store.report_data import Assumption, Fills, Market, ReportData
from onetape.store.summary import summarize

DAY_NS = 24 * 3600 * 10**9
START_NS = 1_780_272_000 * 10**9  # 2026-06-01


def example(fill_count: int = 420, seed: int = 7) -> ReportData:
    """A mean-reverting robot on a random walk."""
    random = np.random.default_rng(seed)
    points = 20_000
    ts = START_NS + np.arange(points, dtype=np.int64) * (2 * DAY_NS // points)
    steps = random.normal(0, 9, points) * (1 + 0.8 * np.sin(np.arange(points) / 1_700) ** 2)
    price = 60_000 + np.cumsum(steps)
    at = np.sort(random.choice(np.arange(50, points), fill_count, replace=False))
    side = np.where(np.arange(fill_count) % 2 == 0, 1, -1).astype(np.int64)
    qty = np.full(fill_count, 0.05)
    edge = np.abs(random.normal(24, 18, fill_count))
    paid = np.round(price[at] - side * edge, 1)
    realized = np.zeros(fill_count)
    realized[1::2] = (paid[1::2] - paid[: len(paid[1::2]) * 2 : 2]) * 0.05
    is_maker = random.random(fill_count) < 0.7
    fee = paid * qty * np.where(is_maker, 0.0002, 0.0005)
    held = np.zeros(points)
    np.add.at(held, at, side * qty)
    position = np.cumsum(held)
    cash = np.zeros(points)
    np.add.at(cash, at, -side * qty * paid - fee)
    equity = 100_000 + np.cumsum(cash) + position * price
    fills = Fills(
        ts=ts[at],
        market=np.zeros(fill_count, dtype=np.int64),
        side=side,
        price=paid,
        qty=qty,
        fee=fee,
        realized=realized,
        is_maker=is_maker,
        order=np.arange(1, fill_count + 1, dtype=np.int64),
        tag=["enter" if s > 0 else "leave" for s in side],
    )
    market = Market(
        symbol="binance:BTC/USDT:USDT",
        price_decimals=1,
        size_decimals=3,
        price_ts=ts,
        price=price,
        position_ts=ts[at],
        position=np.round(position[at], 3),
    )
    data = ReportData(
        title="MarketMaker",
        subtitle="binance:BTC/USDT:USDT · 2026-06-01 00:00 to 2026-06-03 00:00 UTC · an example",
        facts={
            "run": "20260601-market-maker",
            "strategy": "strategies/market_maker.py:MarketMaker",
            "parameters": {"size": 0.05, "edge": 0.0001},
            "cash": "100000 USDT",
            "events": 1_482_310,
            "events_per_second": 2_914_558,
            "seed": seed,
            "latency": "10 ms in, 10 ms out",
            "action_hash": "9f2c41d07be35a118e6650c4",
            "input": "btc.tape, frames 1 to 1,482,310",
            "version": "0.1.0",
        },
        assumptions=[
            Assumption("A resting order waits behind all that was displayed at its price.", -1),
            Assumption("Our own orders do not move the market.", 1),
            Assumption("Fees are the public base tier: maker 0.02 %, taker 0.05 %.", -1),
            Assumption("Latency is constant: 10 ms for data, 10 ms for orders.", 0),
            Assumption("Tick 0.1 and lot 0.001 are the catalogue's of 2026-06.", 0),
        ],
        equity_ts=ts,
        equity=equity,
        markets=[market],
        fills=fills,
    )
    data.stats = summarize(data, orders=fill_count + 37)
    return data


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 420
    print(write_report(example(count), Path(sys.argv[1])))

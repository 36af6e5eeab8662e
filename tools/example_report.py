"""Writes the report of a made-up run, to look at the page without running anything.

python tools/example_report.py example.html [FILLS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from onetape.report.report import write_report
from onetape.report.report_data import NEVER, Assumption, Fills, Market, Orders, ReportData, Resting, StressLine
from onetape.report.summary import summarize
from onetape.report.worse_fills import exact_lines

SECOND_NS = 10**9
DAY_NS = 24 * 3600 * SECOND_NS
START_NS = 1_780_272_000 * 10**9  # 2026-06-01


DAYS = 130


def example(fill_count: int = 420, seed: int = 7, points: int = 20_000) -> ReportData:
    """A mean-reverting robot on a random walk, under stops, over some months."""
    random = np.random.default_rng(seed)
    step = DAYS * DAY_NS // points
    ts = START_NS + np.arange(points, dtype=np.int64) * step
    noise = random.normal(0, 1.2, points) * (1 + 0.8 * np.sin(np.arange(points) / 1_700) ** 2)
    price = 60_000 + np.cumsum(noise * np.sqrt(step / SECOND_NS))
    at = np.sort(random.choice(np.arange(50, points), fill_count, replace=fill_count > points - 50))
    side = np.where(np.arange(fill_count) % 2 == 0, 1, -1).astype(np.int64)
    qty = np.full(fill_count, 0.05)
    edge = random.normal(28, 160, fill_count)
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
    equity = 10_000 + np.cumsum(cash) + position * price
    waits = (random.exponential(20.0, fill_count) * SECOND_NS).astype(np.int64)
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
        position=np.round(np.cumsum(side * qty), 3),
        tick=0.1,
        funding=-12.5,
    )
    data = ReportData(
        title="MarketMaker",
        subtitle=f"binance:BTC/USDT:USDT, 2026-06-01 to {DAYS} days later (UTC), an example",
        facts={
            "run": "20260601-market-maker",
            "strategy": "strategies/market_maker.py:MarketMaker",
            "parameters": {"size": 0.05, "edge": 0.0001},
            "cash": "10000 USDT",
            "data": "btc.tape",
            "data hashes": "9f2c41d07be35a11 to frame 1,482,310",
            "latency": "10ms / 10ms in / out",
            "queue": "conservative",
            "seed": seed,
            "actions": "41d07be35a118e66",
            "version": "onetape 0.1.0",
        },
        assumptions=[
            Assumption("cash 10000 USDT, leverage 1x, cross margin", None),
            Assumption("A resting order waits behind all that was displayed at its price.", -1),
            Assumption(
                "Own orders do not move the recorded market.", 1, "own fills are 0.31% of the volume in the data"
            ),
            Assumption(
                "Fees are the public base tier: maker 0.02 %, taker 0.05 %.",
                0,
                f"a quarter more in fees: {-fee.sum() / 4:,.2f} USDT",
            ),
            Assumption("Latency is constant: 10 ms each way.", 0, "latency x2: -31.24 USDT"),
            Assumption("Liquidation is not simulated.", 1, "peak leverage 0.42"),
        ],
        equity_ts=ts,
        equity=equity,
        markets=[market],
        fills=fills,
        orders=_orders(random, fills, waits),
        resting=Resting(waits[is_maker], random.random(int(is_maker.sum())) < 0.8),
    )
    data.stats = summarize(data, orders=len(data.orders.id), funding=-12.5)
    pnl = float(equity[-1] - equity[0])
    data.stress = [
        *exact_lines(pnl, fills, data.markets),
        StressLine("latency x2", "re-run", pnl - 31.24, "20ms / 20ms"),
        StressLine("back of queue", "not run", pnl, "the run itself already waits there"),
    ]
    return data


def _orders(random: np.random.Generator, fills: Fills, waits: np.ndarray) -> Orders:
    """One for each fill, every fourth entry followed by a stop that is canceled."""
    count = len(fills.ts)
    stops = np.arange(0, count, 4)
    request = np.concatenate((fills.ts - waits - 10_000_000, fills.ts[stops] + 1))
    order = np.argsort(request, kind="stable")

    def column(own, of_stops):
        return np.concatenate((own, of_stops))[order]

    none = np.full(len(stops), NEVER, dtype=np.int64)
    life = (random.exponential(6 * 3600, len(stops)) * SECOND_NS).astype(np.int64)
    return Orders(
        id=np.arange(1, count + len(stops) + 1, dtype=np.int64),
        market=np.zeros(count + len(stops), dtype=np.int64),
        side=column(fills.side, -fills.side[stops]),
        price=column(fills.price, np.zeros(len(stops))),
        trigger=column(np.zeros(count), fills.price[stops] - fills.side[stops] * 900),
        qty=column(fills.qty, fills.qty[stops]),
        filled=column(fills.qty, np.zeros(len(stops))),
        state=column(np.zeros(count, dtype=np.int64), np.full(len(stops), 2)),
        ts_request=request[order],
        ts_answer=request[order] + 20_000_000,
        ts_fill=column(fills.ts, none),
        ts_done=column(fills.ts, fills.ts[stops] + life),
    )


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 420
    print(write_report(example(count), Path(sys.argv[1])))

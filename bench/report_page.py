"""Making a report of 100,000 fills, and its size."""

from __future__ import annotations

import json
import time

import numpy as np

from onetape.store.report import render_report
from onetape.store.report_data import Fills, Market, ReportData

FILLS, POINTS = 100_000, 1_000_000

random = np.random.default_rng(1)
ts = np.sort(random.integers(0, 10**15, POINTS))
price = 60_000 + random.normal(0, 1, POINTS).cumsum()
at = np.sort(random.integers(0, POINTS, FILLS))
one = np.ones(FILLS)
side = random.choice([-1, 1], FILLS)
nothing = np.zeros(FILLS, np.int64)
fills = Fills(ts[at], nothing, side, price[at], one, one, one, one > 0, at, ["tag"] * FILLS)
market = Market("binance:BTC/USDT:USDT", 1, 3, ts, price, ts[at], (side * one).cumsum())
data = ReportData("bench", equity_ts=ts, equity=100_000 + price, markets=[market], fills=fills)
began = time.perf_counter()
page = render_report(data)
seconds = time.perf_counter() - began
less = {"better": "less"}
figures = [
    {"name": "report of 100,000 fills", "value": seconds, "unit": "s", "reach": 1.0, **less},
    {"name": "its size", "value": len(page) / 1e6, "unit": "MB", "reach": 3, **less},
]
print(json.dumps({"figures": figures}))

"""Queue and latency models fitted where the truth is known: how often their intervals have it.

    python bench/fitted.py [--seeds 200] [--orders 200]

The truth of a queue is the matching engine with a crowd that cancels by a law; of a latency it is a lognormal
distribution. Of intervals of 95 %, 95 of 100 should have what they are about.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from onetape.runs.latency_fit import interval_of
from onetape.runs.queue_fit import fit_episodes
from worlds.queue_crowds import crowd_episode

LAWS = (("power", 0.5), ("power", 1.0), ("power", 2.0), ("power2", 0.7), ("power2", 2.0), ("power3", 2.0))
MS = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--orders", type=int, default=200)
    chosen = parser.parse_args()
    inside = tried = 0
    rows = []
    for family, exponent in LAWS:
        fits = []
        for seed in range(chosen.seeds):
            draw = random.Random(f"{family} {exponent} {seed}")
            crowd = [crowd_episode(draw, family, exponent) for _ in range(chosen.orders)]
            fits.append(fit_episodes(crowd, (family,), at_venue=True))
        spans = [(fit.low or 0.0, fit.high or 0.0) for fit in fits]
        found = sum(low <= exponent <= high for low, high in spans)
        inside, tried = inside + found, tried + len(fits)
        middle = statistics.mean(float(fit.model.partition(":")[2]) for fit in fits)
        width = statistics.mean(high - low for low, high in spans)
        fills, expected = sum(fit.fills for fit in fits), sum(fit.expected or 0.0 for fit in fits)
        rows.append(
            f"{family}:{exponent:<4g} found {middle:.3f} (interval {width:.2f} wide), inside {found} of {len(fits)}; "
            f"{fills:,} fills, {expected:,.0f} expected"
        )
    ways = [np.random.default_rng(seed).lognormal(0, 0.5, chosen.orders) * 4 * MS for seed in range(10 * chosen.seeds)]
    measured = [interval_of(way.astype(np.int64), 0.5) for way in ways]
    medians = sum(low <= 4 * MS <= high for low, high in measured)
    rows.append(f"latency 4 ms, lognormal: inside {medians} of {len(measured)}")
    figures = [
        {"name": "queue laws within their 95 % intervals", "value": 100 * inside / tried, "reach": 90.0},
        {"name": "latency medians within their 95 % intervals", "value": 100 * medians / len(measured), "reach": 90.0},
    ]
    shown = [{**figure, "unit": "%", "better": "more", "against": None, "note": ""} for figure in figures]
    print(json.dumps({"figures": shown, "tables": ["\n".join(rows)]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

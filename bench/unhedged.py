"""How long legs are unhedged: 10,000 simulated operations with legs of opposite sign, 10 ms to each venue and back,
most of which meet a fault; and as many that meet several at once, with answers that are up to 10 s late. Of these the
time counts in which no venue owes the answer to an order that may have evened them out."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from hedge.hedge_world import Faults, World

OPERATIONS = 10_000
EDGES_MS = (0, 1, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000)
MS = 10**6
BAR = 50


def histogram(spans: list[float]) -> str:
    lines = []
    for low, high in zip(EDGES_MS, (*EDGES_MS[1:], float("inf")), strict=True):
        count = sum(low <= each < high for each in spans)
        lines.append(f"{low:>6} ms {count:>6} {'#' * round(BAR * count / OPERATIONS)}")
    return "\n".join(lines)


def main() -> None:
    spans, bad, bounds = [], [], []
    for seed in range(OPERATIONS):
        world = World(seed, Faults.usual(random.Random(seed)), opposes=True).run()
        world.watch()
        spans.append(world.naked_ns / MS)
        world = World(seed, opposes=True).run()
        world.watch()
        bad.append(world.naked_ns / MS)
        bounds.append(world.bound_ns / MS)
    spans.sort()
    figures = [
        {
            "name": f"unhedged, {name}",
            "value": spans[int(share * (OPERATIONS - 1))],
            "unit": "ms",
            "better": "less",
            "reach": reach,
        }
        for name, share, reach in (("p50", 0.5, 50), ("p99", 0.99, None), ("most", 1, 30_000))
    ]
    more = {"name": "unhedged but for late answers, many faults, most", "value": max(bounds), "reach": 30_000}
    figures.append({**more, "unit": "ms", "better": "less"})
    print(json.dumps({"figures": figures, "tables": [histogram(spans), histogram(bad)]}))


if __name__ == "__main__":
    main()

"""A recorded day of depth and trades through a strategy that decides by the clock, plain and
compiled, beside a compiled rival on the same file and the same tasks.

Rows are the rival's: one for each changed level and trade of the capture (491,973); our tape has
its 66,089 quotes as well. Wall clock of the loop, the best of several passes, as it is for the
rival.
"""

from __future__ import annotations

import json
from decimal import Decimal

from l2_strategies import SYMBOL, CancelSubmit, Elapse, Grid
from loop import run_once
from place import PLACE, ROOT

from onetape.data.importing import import_files
from onetape.engine.latency import Latency

CAPTURE = ROOT / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
TAPE = PLACE / "btcusdt-l2"
ROWS = 491_973
PASSES = 5
MS = 10**6


TASKS = [  # name, strategy, latency ms, wanted plain, rival
    ("10 ms steps", Elapse, 1, 12.5e6, "hftbacktest l2 steps"),
    ("cancel and submit", CancelSubmit, 1, 4e6, "hftbacktest l2 cancel and submit"),
    ("20 x 20 grid", Grid, 10, 5e6, "hftbacktest l2 grid"),
]
WANTED_COMPILED = (12.5e6, 8.2e6, 8.7e6)


def main() -> None:
    if not TAPE.is_dir():
        import_files("binance-raw", [CAPTURE], symbol=SYMBOL, out=TAPE)
    figures = []
    for (name, strategy, latency_ms, wanted, rival), wanted_compiled in zip(TASKS, WANTED_COMPILED, strict=True):
        options = {
            "latency": Latency(latency_ms * MS, latency_ms * MS),
            "fee": (Decimal("-0.00005"), Decimal("0.0007")),
            "queue": "power:2",
            "leverage": 10,
        }
        hashes = set()
        for word, reach in (("plain", wanted), ("compiled", wanted_compiled)):
            options["interpret"] = word == "plain"
            best = min(
                (run_once(strategy, TAPE, clock="wall", **options) for _ in range(PASSES)),
                key=lambda timed: timed.seconds,
            )
            hashes.add(best.action_hash)
            figures.append(
                {
                    "name": f"recorded depth, {name}, {word}",
                    "value": ROWS / best.seconds,
                    "unit": "rows/s",
                    "reach": reach,
                    "peer": rival,
                    "headline": word == "plain",
                }
            )
        if len(hashes) != 1:
            raise SystemExit(f"{name}: compiled and plain order differently")
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

"""Execution algorithms over generated markets: schedule of TWAP, rate of POV, price of VWAP against one market order.

python bench/algorithms.py [--seeds 1000]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from worlds.tapes import close_sessions
from worlds.worked_orders import RATE, participation, schedule_error, slippage_bps, worked, write_market


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200)
    seeds = parser.parse_args().seeds
    schedule, rate, price, naive = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            tape = write_market(Path(folder) / str(seed), seed)
            schedule.append(schedule_error(worked(tape, "twap", seed)))
            rate.append(100 * abs(participation(worked(tape, "pov", seed)) - RATE))
            price.append(slippage_bps(worked(tape, "vwap", seed)))
            naive.append(slippage_bps(worked(tape, "market", seed)))
            close_sessions()  # a thousand seeds take the memory and the disk of one
            shutil.rmtree(tape)
    saved = [one - other for one, other in zip(naive, price, strict=True)]
    error = statistics.stdev(saved) / len(saved) ** 0.5
    note = f"over {seeds} seeds"
    figures = [
        ("TWAP, furthest from an even schedule", max(schedule), "clips", 1.0, note),
        ("POV, furthest from its rate", max(rate), "points", 1.0, note),
        ("VWAP, paid above the market's VWAP", statistics.mean(price), "bps", None, note),
        ("one market order, paid above the market's VWAP", statistics.mean(naive), "bps", None, note),
        ("VWAP saves against one market order", statistics.mean(saved), "bps", None, f"+- {error:.2f}, {note}"),
    ]
    shown = [
        {"name": name, "value": value, "unit": unit, "better": "less", "reach": reach, "against": None, "note": note}
        for name, value, unit, reach, note in figures
    ]
    shown[-1]["better"] = "more"
    print(json.dumps({"figures": shown}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

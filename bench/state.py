"""A read and a write of the state table by key, as Python calls them.

Prints one JSON object; nanoseconds, the best of five rounds. Nobody else uses the table meanwhile.
"""

from __future__ import annotations

import json
import sys
import tempfile
import timeit

from onetape.tape.state import GroupSpec, Layout, StateReader, StateWriter

SPEC = GroupSpec(1, "quote", tuple((f"f{i}", "f") for i in range(8)))
LAYOUT = Layout([SPEC])
CALLS = 50_000
ROUNDS = 5


def main() -> None:
    values = {f"f{i}": float(i) for i in range(8)}
    with tempfile.TemporaryDirectory() as folder:
        writer = StateWriter(folder, "bench", LAYOUT)
        for i in range(200):
            writer.put("quote", f"binance:BTC/USDT:USDT{i}", values, ts=1, sequence=1)
        writer.publish()
        reader = StateReader(folder, "bench", LAYOUT)
        key = "binance:BTC/USDT:USDT17"
        cells, present = SPEC.pack(values)

        def best(call: object) -> float:
            timer = timeit.Timer("call()", globals={"call": call})
            return round(min(timer.repeat(ROUNDS, CALLS)) / CALLS * 1e9, 1)

        result = {
            "cells": 8,
            "core_read_ns": best(lambda: reader.core.read(1, key)),
            "core_write_ns": best(lambda: writer.core.put(1, key, cells, present, 1, 1)),
            "python_get_ns": best(lambda: reader.get("quote", key)),
            "python_put_ns": best(
                lambda: writer.put("quote", key, values, ts=1, sequence=1),
            ),
        }
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()

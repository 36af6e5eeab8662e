"""A read and a write of the state table by key, as Python calls them.

Prints figures as JSON; nanoseconds of CPU time, the best of five rounds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
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
            timer = timeit.Timer("call()", timer=time.process_time, globals={"call": call})
            return round(min(timer.repeat(ROUNDS, CALLS)) / CALLS * 1e9, 1)

        figures = [
            figure("read from the core", best(lambda: reader.core.read(1, key)), 250),
            figure("write from the core", best(lambda: writer.core.put(1, key, cells, present, 1, 1))),
            figure("get, fields by name", best(lambda: reader.get("quote", key))),
            figure("put, fields by name", best(lambda: writer.put("quote", key, values, ts=1, sequence=1))),
        ]
    json.dump({"figures": figures}, sys.stdout, indent=1)
    sys.stdout.write("\n")


def figure(name: str, nanoseconds: float, reach: float | None = None) -> dict[str, object]:
    return {
        "name": f"state table: {name}",
        "value": nanoseconds,
        "unit": "ns",
        "better": "less",
        "reach": reach,
        "against": None,
        "note": "8 cells of 200 keys, called from Python, nobody else uses the table",
    }


if __name__ == "__main__":
    main()

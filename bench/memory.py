"""Own memory at the end of a backtest over 50 million quotes against one over a million, the pages
of the mapped tape aside. Each in a process of its own; the long tape (4.5 GiB) is removed after."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

SMALL = 1_000_000
TIMES = 50
NEEDED = 6 << 30  # bytes of disk


def own_bytes() -> int:
    """Peak is not kept for anonymous pages alone; nothing here is given back before the end."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the kernel does not tell RssAnon")


def measure(tape: Path, count: int) -> int:
    from backtest_quotes import Empty
    from loop import run_once

    seen = []

    class Watched(Empty):
        def on_stop(self):
            seen.append(own_bytes())

    assert run_once(Watched, tape, journal=False).counters["events"] == count
    return max(seen)


def of_process(tape: Path, count: int) -> int:
    call = [sys.executable, __file__, str(tape), str(count)]
    return int(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    from market_tapes import PLACE, long_tape, walk_tape

    short = of_process(walk_tape(SMALL), SMALL)
    if shutil.disk_usage(PLACE).free < NEEDED:
        raise SystemExit("not enough disk for the tape of 50 million quotes")
    tape = long_tape(SMALL, TIMES)
    try:
        long = of_process(tape, SMALL * TIMES)
    finally:
        shutil.rmtree(tape)
    print(json.dumps({"figures": [
        {"name": "backtest of 50 M quotes, own memory over that of 1 M", "value": long / short,
         "unit": "times", "better": "less", "reach": 1.1},
        {"name": "backtest of 50 M quotes, own memory", "value": long / 2**20, "unit": "MiB",
         "better": "less"},
    ]}))  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(Path(sys.argv[1]), int(sys.argv[2])))
    else:
        main()

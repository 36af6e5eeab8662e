"""hftbacktest 2.4.4 as a whole process over the recorded capture repeated in time.

    python hftbacktest_long.py FOLDER make TIMES CAPTURE_FOLDER
    python hftbacktest_long.py FOLDER noop|one|grid

make writes one uncompressed file for each repetition, as one has a file for each day. The tasks
are those of hftbacktest_l2.py, with the compiler's cache asked for (NUMBA_CACHE_DIR says where);
`cached` tells what it gave, and `compiling` how long the first loop took, over twenty rows. The
clock of the caller is the whole process; `seconds` is the loop.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

SPAN_NS = 345_000_000_000  # a repetition: the 344.8 s of the capture, up to whole steps


def make(folder: Path, times: int, at: Path) -> None:
    from hftbacktest_l2 import capture

    rows = np.load(capture(at))["data"]
    np.savez(folder / "few.npz", data=rows[:20])
    files = folder / "files"
    files.mkdir()
    for number in range(times):
        shifted = rows.copy()
        shifted["exch_ts"] += number * SPAN_NS
        shifted["local_ts"] += number * SPAN_NS
        np.savez(files / f"{number:04}.npz", data=shifted)
    print(json.dumps({"events": len(rows) * times}))


def run(folder: Path, mode: str) -> None:
    from hftbacktest_l2 import LOOPS, engine
    from numba import njit

    files = sorted(map(str, (folder / "files").glob("*.npz")))
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = njit(cache=True)(LOOPS[mode])
        began, used = time.perf_counter(), time.process_time()
        few = engine([str(folder / "few.npz")], mode)
        loop(few)
        few.close()
        compiling, compiling_used = time.perf_counter() - began, time.process_time() - used
        hbt = engine(files, mode)
        began = time.perf_counter()
        steps, orders = loop(hbt)
        seconds = time.perf_counter() - began
        said = sorted({str(each.message).splitlines()[0] for each in caught})
    trades = int(hbt.state_values(0).num_trades)
    hbt.close()
    hits = sum(loop.stats.cache_hits.values())
    print(
        json.dumps(
            {
                "seconds": seconds,
                "steps": steps,
                "orders": orders,
                "trades": trades,
                "compiling": compiling,
                "compiling_processor": compiling_used,
                "cached": hits > 0,
                "said": said,
            }
        )
    )


if __name__ == "__main__":
    if sys.argv[2] == "make":
        make(Path(sys.argv[1]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        run(Path(sys.argv[1]), sys.argv[2])

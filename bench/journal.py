"""Appending to a journal and reading it back: nanoseconds an event, the best of several rounds.

A quote of 64 bytes, with its checksum, over a warm segment. The floors were measured for one chain
over header and payload; sums of payloads that overlap may be faster.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.schema import built_in

CALLS = 20_000
ROUNDS = 7
BATCH = 1000
READ = 1_000_000  # more, so that opening does not count
QUOTE = built_in()[2]
NO_SUCH_TYPE = 60_000


def best(work: Callable[[], int]) -> float:
    """Nanoseconds an event in the fastest round: other work on the machine only adds."""
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter_ns()
        events = work()
        found.append((time.perf_counter_ns() - begin) / events)
    return round(min(found), 1)


def figure(name: str, value: float, reach: float, floor: float | None = None) -> dict[str, object]:
    against = None if floor is None else {"name": "measured floor", "value": floor}
    return {"name": name, "value": value, "unit": "ns", "better": "less", "reach": reach, "against": against}


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    writer = JournalWriter(folder / "j", segment_bytes_first=64 << 20, durable=False)
    rows = np.zeros(BATCH, QUOTE.payload_dtype)
    append = writer.append_quote

    def single() -> int:
        for i in range(CALLS):
            append(1, i, i, 100, 101, 5, 6)
        return CALLS

    def batches() -> int:
        for _ in range(CALLS // BATCH):
            writer.append_batch("quote", 1, rows)
        return CALLS

    def scan() -> int:
        # Nothing matches: what is timed is opening, mapping, reading and checking alone.
        reader = JournalReader(folder / "j")
        reader.core.read_rows(NO_SUCH_TYPE, QUOTE.payload_bytes, 1)
        return reader.next_sequence - 1

    def columns() -> int:
        return len(JournalReader(folder / "j").columns("quote")["bid"])

    figures = [
        figure("journal append from Python", best(single), 60.0, 39.2),
        figure("journal append of 1,000 rows", best(batches), 20.0, 9.2),
    ]
    for _ in range(READ // BATCH):
        writer.append_batch("quote", 1, rows)
    writer.close()
    figures += [
        figure("journal read and check", best(scan), 12.5, 10.2),
        figure("journal columns in numpy", best(columns), 100.0),
    ]
    shutil.rmtree(folder)
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

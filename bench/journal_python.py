"""Appending quotes from Python: one by one, and in batches of a thousand."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from onetape.tape.journal import JournalWriter
from onetape.tape.schema import built_in

COUNT, BATCH, PASSES = 500_000, 1_000, 3


def one_by_one(folder: Path) -> float:
    with JournalWriter(folder, durable=False) as writer:
        append = writer.append_quote
        began = time.process_time()
        for number in range(COUNT):
            append(1, number, number, 600_000, 600_010, 1_000, 2_000)
        return (time.process_time() - began) * 1e9 / COUNT


def in_batches(folder: Path) -> float:
    rows = np.zeros(BATCH, dtype=built_in()[2].payload_dtype)
    rows["bid"], rows["ask"] = 600_000, 600_010
    times = np.arange(BATCH, dtype=np.int64)
    with JournalWriter(folder, durable=False) as writer:
        began = time.process_time()
        for _ in range(COUNT // BATCH):
            writer.append_batch("quote", 1, rows, times)
        return (time.process_time() - began) * 1e9 / COUNT


def empty_loop() -> float:
    def nothing(*_: int) -> None:
        pass

    began = time.process_time()
    for number in range(COUNT):
        nothing(1, number, number, 600_000, 600_010, 1_000, 2_000)
    return (time.process_time() - began) * 1e9 / COUNT


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        single = min(one_by_one(folder / f"one-{i}") for i in range(PASSES))
        batch = min(in_batches(folder / f"batch-{i}") for i in range(PASSES))
    floor = {"name": "an empty Python function", "value": min(empty_loop() for _ in range(PASSES))}
    print(json.dumps({"figures": [
        {"name": "append of a quote from Python", "value": single, "unit": "ns", "better": "less",
         "against": floor},
        {"name": "append of a quote from Python, batches of 1,000", "value": batch, "unit": "ns",
         "better": "less"},
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()

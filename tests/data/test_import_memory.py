"""Memory does not grow with the input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SIZES = (500_000, 4_000_000) if os.environ.get("ONETAPE_LONG") else (200_000, 800_000)
# Mapped segments count as memory of the process: 64 MiB at most each, the last, this, the next.
MAPPED_MIB = 3 * 64

# The kernel's own high-water mark where there is one: getrusage begins with what the parent had.
IMPORT = """
import pathlib, resource, sys
from onetape.data.importing import import_files
result = import_files("csv", [sys.argv[1]], symbol="x:A/USD", out=sys.argv[2])
peak, status = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, pathlib.Path("/proc/self/status")
if status.exists():
    [peak] = [int(line.split()[1]) for line in status.open() if line.startswith("VmHWM")]
print(result.events, peak >> 10)
"""


@pytest.mark.parametrize("order", ["in order", "in no order"])
def test_a_larger_table_takes_no_more_memory(order: str, tmp_path: Path) -> None:
    step = 1 if order == "in order" else 7919
    peaks = []
    for rows in SIZES:
        source = tmp_path / f"{rows}.csv"
        with source.open("w") as file:
            file.write("ts,price,size\n")
            for first in range(0, rows, 10_000):
                file.write(
                    "".join(f"{1_700_000_000_000 + i * step % rows},1.5,2\n" for i in range(first, first + 10_000))
                )
        done = subprocess.run(
            [sys.executable, "-c", IMPORT, source, tmp_path / f"{rows}.tape"],
            capture_output=True,
            text=True,
            check=True,
        )
        events, peak = map(int, done.stdout.split())
        assert events == rows
        peaks.append(peak)
    assert peaks[1] - peaks[0] < MAPPED_MIB + 48, peaks
    assert peaks[1] < 400, peaks

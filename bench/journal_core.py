"""The journal in C++: append of a quote frame beside a bare store of the same words with the same
sums, and a checked read. Both in one program (core/bench/journal_bench.cpp), compiled here with the
flags of the release build; ONETAPE_BENCH builds it with CMake."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core"
FLAGS = ["-std=c++20", "-O3", "-DNDEBUG", "-ffp-contract=off", "-pthread"]
EVENTS, ROUNDS = 1_000_000, 5


def compiled(name: str = "journal_bench", rooms: tuple[str, ...] = ("base", "journal")) -> Path:
    """A program of core/bench with the rooms of the core that it needs."""
    program = ROOT / "build" / "bench" / name
    sources = [CORE / "bench" / f"{name}.cpp"]
    for room in rooms:
        sources += sorted(CORE.glob(f"{room}/*.cpp"))
    inputs = [*sources, *(path for room in rooms for path in CORE.glob(f"{room}/*.hpp"))]
    if program.exists() and program.stat().st_mtime > max(p.stat().st_mtime for p in inputs):
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    flags = [*FLAGS, "-msse4.2"] if platform.machine() in ("x86_64", "AMD64") else FLAGS
    call = [os.environ.get("CXX", "c++"), *flags, f"-I{CORE}", *map(str, sources), "-o", str(program)]
    subprocess.run(call, check=True, stdout=sys.stderr)
    return program


def main() -> None:
    program = compiled()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(program), folder, str(EVENTS), str(ROUNDS)], check=True, capture_output=True, text=True
        )
    answer = json.loads(done.stdout)
    store = answer["bare_store_ns"]
    print(json.dumps({"figures": [
        {"name": "journal, append of a quote", "value": answer["append_ns"], "unit": "ns",
         "better": "less", "reach": 2 * store, "headline": True,
         "against": {"name": "bare store with the same checksums", "value": store}},
        {"name": "journal, read with all checksums verified", "value": answer["read_per_second"],
         "unit": "events/s", "better": "more", "reach": 80e6},
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()

"""Tests again and again beside processes that take all the processor there is, and which of them failed how often.

    python tools/stress.py [--times 5] [--busy 2] [--workers 2] [--logs build/stress] [TEST...]

A test that fails by chance, or because the machine is busy, is a wrong test. What failed is written with its last
error; what pytest said of each run stays in LOGS.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that never sleep, until the block ends or this process does."""
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(10**6))"
    loops = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def failed_in(report: Path) -> Iterator[tuple[str, str]]:
    """(test, first line of its error) of a run's JUnit file. Raises FileNotFoundError where the run wrote none."""
    for case in ElementTree.parse(report).iter("testcase"):  # our own file
        for problem in (*case.findall("failure"), *case.findall("error")):
            yield f"{case.get('classname')}::{case.get('name')}", (problem.get("message") or "").partition("\n")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--busy", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--logs", type=Path, default=ROOT / "build" / "stress")
    parser.add_argument("tests", nargs="*", default=["tests"])
    options = parser.parse_args()
    failures: Counter[str] = Counter()
    errors: dict[str, str] = {}
    folder: Path = options.logs
    folder.mkdir(parents=True, exist_ok=True)
    with busy(options.busy):
        for number in range(1, options.times + 1):
            report, began = folder / f"{number}.xml", time.monotonic()
            report.unlink(missing_ok=True)
            call = [sys.executable, "-m", "pytest", "-q", "-n", str(options.workers), f"--junitxml={report}"]
            with (folder / f"{number}.log").open("w") as log:
                subprocess.run([*call, *options.tests], cwd=ROOT, stdout=log, check=False)
            found = dict(failed_in(report))
            failures.update(found.keys())
            errors |= found
            took = time.monotonic() - began
            print(
                f"run {number} of {options.times}: {len(found)} failed, {took:.0f} s", *found, sep="\n    ", flush=True
            )
    for name, count in failures.most_common():
        print(f"{count:4} of {options.times}  {name}\n      {errors[name]}")
    return bool(failures)


if __name__ == "__main__":
    raise SystemExit(main())

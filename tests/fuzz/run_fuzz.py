"""Runs fuzz targets: seeded, each in a process of its own, so that a crash is a finding too.

    python tests/fuzz/run_fuzz.py [TARGET...] [--seconds N] [--seed N] [--runs N]

A finding is kept under tests/fuzz/findings/ and its name printed; the exit code is then 1. The same
seed gives the same inputs: repeat with --seed and --runs as printed.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

FINDINGS = Path(__file__).parent / "findings"
INPUT_S_MAX = 20  # longer is a hang


def work(name: str, seed: int, runs: int, seconds: float) -> int:
    """One target in this process. The input is on disk before it is tried."""
    from fuzz_targets import make

    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds + INPUT_S_MAX, exit=True)
    target = make(name)
    FINDINGS.mkdir(exist_ok=True)
    kept = FINDINGS / f"{name}-{seed}"
    until = time.monotonic() + seconds
    done = 0
    try:
        while done < runs and time.monotonic() < until:
            data = target.input(random.Random(f"{seed}/{done}"))
            kept.write_bytes(data)
            target.check(data)
            done += 1
    except BaseException:
        print(f"{name}: run {done} of seed {seed} fails with {kept}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(target.folder, ignore_errors=True)
    kept.unlink(missing_ok=True)
    print(f"{name}: {done} inputs from seed {seed}, no finding")
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=20, help="for all targets together")
    parser.add_argument("--runs", type=int, default=10**9, help="of each target, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        work(options.targets[0], options.seed, options.runs, options.seconds)
        return 0
    from fuzz_targets import TARGETS

    names = options.targets or list(TARGETS)
    failed = 0
    for name in names:
        command = [sys.executable, __file__, name, "--here"]
        limits = {"seconds": options.seconds / len(names), "runs": options.runs}
        command += [f"--{key}={value}" for key, value in limits.items()]
        done = subprocess.run([*command, f"--seed={options.seed}"], check=False)
        if done.returncode != 0:
            failed += 1
            print(f"{name}: ended with {done.returncode}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Play seeds of operations over gateways that nobody has drawn before, or repeat one seed.

    tests/hedge/simulate_operations.py --seeds 300 --workers 2
    tests/hedge/simulate_operations.py --seed 7

In odd seeds two accounts are a master and its sub-account, between which margin moves; in every other pair of seeds a
guardian watches each account, and acts past its gateway while that is dead. Prints how operations ended, and
the command of each seed that failed; then the exit is 4.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hedge.test_saga_over_gateways import play

SEED_MAX = 10**8


def played(seed: int) -> tuple[int, Counter[str], str]:
    try:
        _, ends = play(seed, wallets=seed % 2 == 1, guarded=seed % 4 >= 2)
    except Exception as error:
        return seed, Counter(), f"{type(error).__name__}: {error}"
    return seed, ends, ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, help="this one only")
    options = parser.parse_args()
    draw = random.SystemRandom()
    seeds = [draw.randrange(SEED_MAX) for _ in range(options.seeds)] if options.seed is None else [options.seed]
    failed, total = 0, Counter[str]()
    with ProcessPoolExecutor(min(options.workers, len(seeds))) as pool:
        for seed, ends, failure in pool.map(played, seeds):
            total += ends
            failed += bool(failure)
            if failure:
                print(
                    f"FAILED {failure}\n    .venv/bin/python tests/hedge/simulate_operations.py --seed {seed}",
                    flush=True,
                )
    print(f"{len(seeds)} seeds, {failed} failed; {dict(total)}")
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

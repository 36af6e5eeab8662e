"""Play seeds that nobody has drawn before, for so many simulated hours, or repeat one seed.

    tests/orders/simulate.py --hours 300 --workers 2
    tests/orders/simulate.py --world GuardianWorld --hours 30 --seconds 120
    tests/orders/simulate.py --world EntryWorld --kind kraken --seed 7 --seconds 600

Prints a line for each seed, and at the end hours, speed (simulated seconds in a second of one
core), seeds and failures. Exit 4 where a seed failed.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from math import ceil
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orders.gateway_seeds import KINDS, PAIRS, WORLDS, Seed, drawn, play

HOUR = 3600.0


class Played(NamedTuple):
    seed: Seed
    simulated: float  # seconds
    cpu: float  # seconds of a core
    failure: str


def played(seed: Seed) -> Played:
    began, world, failure = time.process_time(), seed.begun(), ""
    start = world.now
    try:
        play(world, seed.seconds)
    except Exception as error:
        at = (world.now - start) / 1e9
        failure = f"{type(error).__name__} after {at:.3f} s: {error}"
        if not isinstance(error, AssertionError):
            failure += "\n" + traceback.format_exc()
    return Played(seed, (world.now - start) / 1e9, time.process_time() - began, failure)


def shown(each: Played) -> str:
    word = f"FAILED {each.failure}\n    {each.seed.command}" if each.failure else "held"
    speed = each.simulated / max(each.cpu, 1e-9)
    seed = each.seed
    return f"{seed.world} {seed.kind} {seed.number}: {each.simulated:.0f} s at {speed:.0f}: {word}"


def spare_collections() -> None:
    """A world makes few cycles and keeps much: to look for them as often as usual is a tenth."""
    gc.set_threshold(50_000, 20, 50)


def run(seeds: Iterator[Seed], workers: int) -> list[Played]:
    done: list[Played] = []
    running: set[Future[Played]] = set()
    with ProcessPoolExecutor(workers, initializer=spare_collections) as pool:
        while True:
            for seed in seeds:
                running.add(pool.submit(played, seed))
                if len(running) == workers:
                    break
            if not running:
                return done
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                done.append(future.result())
                print(shown(done[-1]), flush=True)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="simulated, in all")
    parser.add_argument("--seconds", type=float, default=HOUR, help="simulated, of each seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--kind", choices=KINDS, help="this venue only")
    parser.add_argument("--world", choices=WORLDS, help="this one only")
    options = parser.parse_args(words)
    if options.seed is None:
        count = ceil(options.hours * HOUR / options.seconds)
        pairs = [(w, k) for w, k in PAIRS if options.world in (None, w) and options.kind in (None, k)]
        seeds = islice(drawn(random.SystemRandom(), options.seconds, pairs), count)
        workers = options.workers
    else:
        world, kind = options.world or "World", options.kind or KINDS[0]
        seeds = iter([Seed(world, kind, options.seed, options.seconds)])
        workers = 1
    done = run(seeds, workers)
    failed = [each for each in done if each.failure]
    simulated, cpu = sum(each.simulated for each in done), sum(each.cpu for each in done)
    numbers = [each.seed.number for each in done]
    print(
        f"{simulated / HOUR:.2f} simulated hours at {simulated / max(cpu, 1e-9):.0f} times real "
        f"time a core, {len(done)} seeds from {min(numbers)} to {max(numbers)}, "
        f"{len(failed)} failed"
    )
    for each in failed:
        print(f"    {each.seed.command}")
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

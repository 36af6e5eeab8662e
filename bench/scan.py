"""A condition over 500 symbols: updates as they lie on a tape, sweeps over all symbols, and how long
a fresh update takes from its writer in another process to the decision.

Prints figures as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from onetape.market.condition import parse_condition
from onetape.model.instrument import from_symbol
from onetape.scanner.scanner import Scanner
from onetape.tape.journal import JournalWriter

SYMBOLS = 500
UPDATES = 1_000_000
SWEEPS = 20_000
CONDITION = 'change("1m") > 0.1% and spread < 2*tick'
FRESH_S = 5.0
RATE = 100_000  # updates a second
ALONE = 200_000  # updates in one thread
FLIPS = 20  # updates of a symbol from one change of its condition to the next
START = 1_767_225_600 * 10**9
CHAPTER = 15e6  # conditions a minute, on 38 rented servers; bound by how often it asked


def instruments(writer: JournalWriter, at: int) -> None:
    for number in range(1, SYMBOLS + 1):
        facts = from_symbol(f"binance:C{number}/USDT:USDT", tick="0.1", lot="0.001")
        writer.append_instrument(number, at, facts.to_msgpack())


def tape(path: Path) -> None:
    """Two minutes of quotes, of all symbols in turn."""
    with JournalWriter(path, process="bench", durable=False) as writer:
        instruments(writer, START)
        mids = 1000 + np.cumsum(np.random.default_rng(1).integers(-1, 2, UPDATES))
        step = 120 * 10**9 // UPDATES
        for number, mid in enumerate(mids.tolist()):
            at = START + number * step
            writer.append_quote(number % SYMBOLS + 1, at, at, mid, mid + 1, 1, 1)


def over_tape(path: Path) -> tuple[float, float]:
    """Updates a second with all that Python adds; checks of sweeps a minute; of one core's time."""
    scanner = Scanner([path], parse_condition(CONDITION))
    began = time.process_time()
    for _ in scanner.over():
        pass
    took = time.process_time() - began
    before, at = scanner.checks, START + 120 * 10**9
    began = time.process_time()
    for number in range(SWEEPS):
        scanner.sweep(at + number)
    swept = time.process_time() - began
    made = scanner.checks - before
    scanner.close()
    return UPDATES / took, made / swept * 60


def write(path: Path, begins: Event) -> None:
    """As fast as wanted, stamped as each is written; the condition of one symbol or another changes."""
    with JournalWriter(path, process="bench", durable=False) as writer:
        instruments(writer, time.time_ns())
        begins.set()
        began, number = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < FRESH_S:
            if number >= passed * RATE:
                continue
            symbol = number % SYMBOLS
            mid = 1000 + 10 * ((number // SYMBOLS + symbol) // FLIPS % 2)
            stamp = time.time_ns()
            writer.append_quote(symbol + 1, stamp, stamp, mid, mid + 1, 1, 1)
            number += 1


def fresh(path: Path) -> tuple[list[float], float]:
    """us from the writer's stamp to the decision, of each change while spinning; updates a second."""
    context = multiprocessing.get_context("fork")
    begins = context.Event()
    writer = context.Process(target=write, args=(path, begins))
    writer.start()
    begins.wait()
    scanner = Scanner([path], parse_condition("mid > 100.5 and spread < 2*tick"))
    settled = time.time_ns() + 10**9  # what was there before has been caught up with
    found = [
        (now - at) / 1000
        for match in scanner.live(FRESH_S - 0.5, spin=1.0)
        if (at := match.until or match.ts) > settled and (now := time.time_ns())
    ]
    rate = scanner.checks / (FRESH_S - 0.5)
    writer.join()
    scanner.close()
    return found, rate


def decisions(path: Path) -> list[float]:
    """us of processor time from an update that lies there to the decision, of each change, writer and scanner in one
    thread: what is left of `fresh` where nobody takes a core away."""
    took = []
    with JournalWriter(path, process="bench", durable=False) as writer:
        instruments(writer, time.time_ns())
        scanner = Scanner([path], parse_condition("mid > 100.5 and spread < 2*tick"), is_live=True)
        matches = scanner.live()
        for number in range(ALONE):
            symbol = number % SYMBOLS
            mid = 1000 + 10 * ((number // SYMBOLS + symbol) // FLIPS % 2)
            stamp = time.time_ns()
            writer.append_quote(symbol + 1, stamp, stamp, mid, mid + 1, 1, 1)
            is_change = number >= SYMBOLS * FLIPS and (number // SYMBOLS + symbol) % FLIPS == 0
            if is_change:
                began = time.thread_time_ns()
                next(matches)
                took.append((time.thread_time_ns() - began) / 1000)
        scanner.close()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tape(Path(folder) / "tape")
        updates, swept = over_tape(Path(folder) / "tape")
        ages, rate = fresh(Path(folder) / "fresh")
        alone = decisions(Path(folder) / "alone")
    chapter = {"name": "a polling system on 38 servers", "value": CHAPTER}
    about = f"{SYMBOLS} symbols"
    figures = [
        ("scan: updates of a tape", updates, "1/s", "more", 100_000, None, f"{about}, {CONDITION}"),
        ("scan: checks in sweeps", swept, "1/min", "more", 1e9, chapter, f"one core; {about}, {CONDITION}"),
    ]
    for share, reach in ((50, 20), (99, 200)):
        value = float(np.percentile(ages, share))
        about = f"{SYMBOLS} symbols, {rate:,.0f} updates/s, spinning, {len(ages):,} changes"
        figures.append((f"scan: fresh update to decision p{share}", value, "us", "less", reach, None, about))
    for share, reach in ((50, 20), (99, 200)):
        value = float(np.percentile(alone, share))
        about = f"{SYMBOLS} symbols, processor time in one thread, {len(alone):,} changes"
        figures.append((f"scan: decision alone p{share}", value, "us", "less", reach, None, about))
    names = ("name", "value", "unit", "better", "reach", "against", "note")
    json.dump({"figures": [dict(zip(names, each, strict=True)) for each in figures]}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()

"""Holds this tree to the ratios of `gate.toml`: some programs of this folder, each in turn with a floor that does the
least of the same work, in one process.

    python bench/gate.py [NAME...] [--write]

A ratio is processor time of ours over that of the floor: other work of the machine, and much of what machine it is, is
in both. One that is a quarter worse than its line in each of three measurements fails the gate, half where memory
decides. The order inside a gateway, whose code is larger than a cache, varies more beside other work, so its calls are
counted. A change that means to cost moves the line (--write) and says why.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import cProfile
import hashlib
import hmac
import json
import pstats
import shutil
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from struct import Struct
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from backtest_bars import BarsOnly
from backtest_quotes import Arithmetic, Empty, python_calls
from compiled_quotes import Cross
from compiled_quotes import Empty as CompiledEmpty
from decode import _Depth, _Ticker, by_msgspec
from loop import run_once
from maker_taker import MakerTaker
from market_tapes import instrument, quotes, write
from order_inside import WARM, measure, percent
from sim_venues import measure as exchange_us

from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.binance.market import MARKET

LINES = Path(__file__).with_name("gate.toml")
WORSE = 1.25  # of a line: a gate that fails
MEMORY_BOUND = 1.5  # what reads a tape: it shares caches with the machine's other work, and so does its floor
CACHE_BOUND = 2.0  # where the code alone is larger than a cache: 8 to 13, 10 to 19 times its floor within one hour
ROUNDS, TRIES = 9, 3
QUOTES, APPENDS, MESSAGES, TICKS, ORDERS = 500_000, 50_000, 10_000, 800, 600
RECEIVED = 1_723_161_255_030_314_667

Work = Callable[[], float]  # returns processor seconds of one unit
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Pair:
    """What is held, and what it is held to. floor: None where `ours` measures both and returns their ratio."""

    name: str
    ours: Work
    floor: Work | None
    of: str
    worse: float = WORSE  # than its line, and it fails


def timed(work: Callable[[], object], units: int) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / units


@cache
def tape() -> Path:
    """A random walk, written anew and kept in memory: how a file's pages lie in the cache is half of what reading one
    costs, and changes while it lies there."""
    place = tempfile.mkdtemp(prefix="onetape-gate-", dir=MEMORY if MEMORY.is_dir() else None)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    path = Path(place) / "walk"
    write(path, quotes(QUOTES))
    return path


# --- journal ----------------------------------------------------------------------------------------


def append() -> float:
    with tempfile.TemporaryDirectory() as folder:
        writer = JournalWriter(Path(folder) / "j", segment_bytes_first=64 << 20, durable=False)
        quote = writer.append_quote

        def work() -> None:
            for at in range(APPENDS):
                quote(1, at, at, 100, 101, 5, 6)

        try:
            return timed(work, APPENDS)
        finally:
            writer.close()


def packed() -> float:
    pack, buffer = Struct("<8q").pack_into, bytearray(64)

    def work() -> None:
        for at in range(APPENDS):
            pack(buffer, 0, at, at, 100, 101, 5, 6, 0, 0)

    return timed(work, APPENDS)


def read() -> float:
    reader = JournalReader(tape())
    try:
        return timed(lambda: reader.columns("quote"), QUOTES)
    finally:
        reader.close()


@cache
def tape_bytes() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(tape().rglob("*")) if path.is_file())


def by_numpy() -> float:
    """The same columns of rows as wide as frames are on the tape."""
    width = len(tape_bytes()) // QUOTES // 8
    rows = np.frombuffer(tape_bytes(), np.int64, QUOTES * width).reshape(QUOTES, width)

    def work() -> None:
        for column in range(width):
            np.ascontiguousarray(rows[:, column])

    return timed(work, QUOTES)


# --- messages of a venue ----------------------------------------------------------------------------


@cache
def tickers() -> list[bytes]:
    return [
        b'{"e":"bookTicker","u":%d,"s":"BTCUSDT","b":"%d.10","B":"1.234","a":"%d.20","A":"0.567","T":%d,"E":%d}'
        % (at, 60_000 + at % 97, 60_000 + at % 97, 1_723_161_255_000 + at, 1_723_161_255_001 + at)
        for at in range(MESSAGES)
    ]


@cache
def depths() -> list[bytes]:
    """The first is a snapshot."""
    levels = b",".join(b'["%d.10","%d.123"]' % (59_000 + at, at % 9) for at in range(30))
    whole = b'{"lastUpdateId":1,"E":1723161255000,"T":1723161255000,"bids":[%b],"asks":[["70000.00","1.000"]]}' % levels
    changes = (
        b'{"e":"depthUpdate","E":%d,"T":%d,"s":"BTCUSDT","U":%d,"u":%d,"pu":%d,"b":[%b],"a":[["70000.00","%d.000"]]}'
        % (1_723_161_255_000 + at, 1_723_161_255_000 + at, at + 1, at + 1, at, levels, at % 7 + 1)
        for at in range(1, MESSAGES // 5)
    )
    return [whole, *changes]


def read_by_ours(messages: list[bytes]) -> float:
    facts = instrument()
    reader = MARKET.live([(facts.raw_symbol, facts)])
    with tempfile.TemporaryDirectory() as folder, JournalWriter(Path(folder) / "j", durable=False) as writer:
        take, core = reader.take, writer.core

        def work() -> None:
            for message in messages:
                take(message, RECEIVED, core)

        found = timed(work, len(messages))
    if reader.rejected:
        raise SystemExit(f"{reader.rejected} messages were not read")
    return found


def read_by_msgspec(messages: list[bytes], form: type) -> float:
    run = by_msgspec(messages, form)
    return timed(lambda: run(Path()), len(messages))


# --- a backtest's loop ------------------------------------------------------------------------------


def over_quotes(strategy: type) -> Work:
    return lambda: run_once(strategy, tape()).seconds / QUOTES


def called() -> float:
    return 1 / python_calls()


# --- orders -----------------------------------------------------------------------------------------


def inside() -> float:
    """The ratio of the median order to the parts that it cannot do without."""
    samples, _, alone = asyncio.run(measure(TICKS))
    return percent(samples, 50) / percent(alone, 50)


@cache
def calls_inside() -> float:
    """Calls of functions, Python's and C's, that an order makes."""
    watch = cProfile.Profile()
    asyncio.run(measure(TICKS, watch=watch))
    return pstats.Stats(watch).total_calls / (TICKS + WARM)  # type: ignore[attr-defined, no-any-return]


def at_exchange() -> float:
    return exchange_us("binance-usdm", ORDERS) / 1e6


def verified() -> float:
    query = b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price=30000.0&recvWindow=60000"
    text, row = query.decode(), {f"field{at}": "30000.0" for at in range(20)}

    def work() -> None:
        for _ in range(ORDERS):
            hmac.digest(b"s" * 64, query, hashlib.sha256)
            parse_qsl(text)
            msgspec.json.encode(row)

    return timed(work, ORDERS)


PAIRS = [
    Pair("journal: append of a quote", append, packed, "struct.pack_into"),
    Pair("journal: columns of a tape", read, by_numpy, "numpy", worse=MEMORY_BOUND),
    Pair("decode: a quote", lambda: read_by_ours(tickers()), lambda: read_by_msgspec(tickers(), _Ticker), "msgspec"),
    Pair(
        "decode: depth of 30 levels",
        lambda: read_by_ours(depths()),
        lambda: read_by_msgspec(depths()[1:], _Depth),
        "msgspec",
    ),
    Pair("backtest: empty on_quote", over_quotes(Empty), by_numpy, "numpy's columns", worse=MEMORY_BOUND),
    Pair(
        "backtest: on_quote that computes", over_quotes(Arithmetic), called, "a bare loop of calls", worse=CACHE_BOUND
    ),
    Pair(
        "backtest: an order each hundred quotes",
        over_quotes(MakerTaker),
        called,
        "a bare loop of calls",
        worse=CACHE_BOUND,
    ),
    Pair("backtest: bars alone", over_quotes(BarsOnly), by_numpy, "numpy's columns", worse=MEMORY_BOUND),
    Pair("backtest: compiled, empty", over_quotes(CompiledEmpty), by_numpy, "numpy's columns", worse=MEMORY_BOUND),
    Pair(
        "backtest: compiled, averages that cross", over_quotes(Cross), by_numpy, "numpy's columns", worse=MEMORY_BOUND
    ),
    Pair("gateway: an order inside", inside, None, "decode, four frames, a signature", worse=CACHE_BOUND),
    Pair("gateway: calls of an order inside", calls_inside, None, "one call", worse=1.05),
    Pair("exchange: a signed order", at_exchange, verified, "hmac, parse, encode"),
]


def ratio(pair: Pair) -> float:
    """Of the fastest rounds: what disturbs only adds."""
    ours, floors = [], []
    for _ in range(ROUNDS):
        if pair.floor is not None:
            floors.append(pair.floor())
        ours.append(pair.ours())
    return min(ours) / min(floors, default=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold this tree to its ratios.")
    parser.add_argument("names", nargs="*", help="beginnings of names, all without")
    parser.add_argument("--write", action="store_true", help="make what is measured the lines")
    options = parser.parse_args()
    lines: dict[str, float] = tomllib.loads(LINES.read_text()) if LINES.exists() else {}
    pairs = [p for p in PAIRS if not options.names or any(p.name.startswith(name) for name in options.names)]
    found: dict[str, list[float]] = {pair.name: [] for pair in pairs}

    def is_worse(pair: Pair) -> bool:
        return pair.name not in lines or min(found[pair.name]) > lines[pair.name] * pair.worse

    for attempt in range(TRIES):
        # What was worse is measured again after all others: what disturbs a machine lasts for a while.
        for pair in pairs if attempt == 0 or options.write else [pair for pair in pairs if is_worse(pair)]:
            found[pair.name].append(ratio(pair))
    print(f"{'':42} {'ratio':>8} {'line':>8}  to")
    for pair in pairs:
        shown = f"{lines[pair.name]:.2f}" if pair.name in lines else "-"
        verdict = f"  WORSE in each of {len(found[pair.name])}" if is_worse(pair) else ""
        print(f"{pair.name:42} {min(found[pair.name]):8.2f} {shown:>8}  {pair.of}{verdict}")
    failed = [pair.name for pair in pairs if is_worse(pair)]
    if options.write:
        lines |= {pair.name: round(statistics.median(found[pair.name]), 2) for pair in pairs}
        rows = "".join(f"{json.dumps(pair.name)} = {lines[pair.name]}\n" for pair in PAIRS if pair.name in lines)
        LINES.write_text(HEAD + rows)
    elif failed:
        print(f"FAILED: worse than its line in bench/gate.toml allows, or without one: {', '.join(failed)}")
        sys.exit(1)


HEAD = """# Processor time of ours over that of a floor, in one process: python bench/gate.py. --write moves the
# lines, and the commit says why.
"""


if __name__ == "__main__":
    main()

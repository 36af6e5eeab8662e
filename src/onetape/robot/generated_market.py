"""Generate a market in real time, on a journal of its own: the market of the demo.

As a process: `python -m onetape.robot.generated_market JOURNAL --seed 1 --seconds 30`. It writes
some minutes of history at once, says that it is ready, goes on with the clock, and seals its
journal when its time is over, at SIGTERM or SIGINT, or when its parent process is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from onetape.exchange.flow import GeneratedMarket, flow_market
from onetape.tape.journal import JournalWriter, type_id

__all__ = ["run_market"]

TICK_S = 0.01  # how often due events are written
HEARTBEAT_NS = 50_000_000  # a quiet market still writes the time
BATCH = 100_000


def run_market(
    journal: Path,
    *,
    symbols: Sequence[str],
    seed: int,
    seconds: float,
    history_seconds: float,
    rate: float,
    parent: int | None = None,
) -> None:
    """Write until `seconds` have passed, a signal arrives, or `parent` is no longer our parent; then seal."""
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    began = time.time_ns()
    start = began - int(history_seconds * 1e9)
    market = GeneratedMarket([flow_market(symbol) for symbol in symbols], seed=seed, start=start, rate=rate)
    with JournalWriter(journal, process="market", created=start, heartbeat=True) as writer:
        market.open(writer)
        while market.write(writer, BATCH, until=began).events == BATCH:
            pass
        print("ready", flush=True)
        timer, last = type_id("timer"), began
        end = began + int(seconds * 1e9)
        while not stopping and parent in (None, os.getppid()):
            now = time.time_ns()
            if now >= end:
                break
            if market.write(writer, BATCH, until=now).events:
                last = now
            elif now - last >= HEARTBEAT_NS:
                due = min(now, market.next_time)
                writer.append(timer, due.to_bytes(8, "little") + bytes(8), time=due)
                last = now
            time.sleep(TICK_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the process."""
    parser = argparse.ArgumentParser(prog="onetape-market", description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--symbol", action="append", dest="symbols", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--history", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--parent", type=int, help="ends with this process")
    options = parser.parse_args(arguments)
    run_market(
        options.journal,
        symbols=options.symbols,
        seed=options.seed,
        seconds=options.seconds,
        history_seconds=options.history,
        rate=options.rate,
        parent=options.parent,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

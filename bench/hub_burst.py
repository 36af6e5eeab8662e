"""A burst: two sources bring the same trades and quotes of twenty symbols, 200,000 messages a second together for ten
seconds, and the hub's process merges them while they come. What is merged is counted trade by trade; the hub's own
memory (not what it maps of journals) is looked at all the while.

    python bench/hub_burst.py [--seconds 10] [--rate 200000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from onetape.model.home import hub_journal
from onetape.model.instrument import from_symbol
from onetape.options.collector import collector_journal
from onetape.options.hub import HubOptions, SourceOptions
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.schema import built_in

T = TypeVar("T")  # what a burst has come to
Row = tuple[str, float, str, str, dict[str, Any]]  # name, value, unit, what is better, and more of a figure

SYMBOLS = 20
SLICE_S = 0.01  # what comes in it is written at once, as bytes of a socket are read
BEHIND_S = 60.0  # without a frame more: the hub has ended, or lost what it lacks


class Burst(NamedTuple):
    brought: int  # messages, by both sources
    rate: float  # of them a second, while they came
    trades: int  # of the market
    lost: int
    doubled: int
    behind_s: float  # from the last message until it was merged
    grown_mib: float  # memory of the hub's own, at most, over that before the first message


def own_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def burst(home: Path, seconds: float, rate: int) -> Burst:
    writers = [JournalWriter(collector_journal(home, name), durable=False, heartbeat=True) for name in ("a", "b")]
    for n in range(SYMBOLS):
        listed = from_symbol(f"binance:S{n}/USDT:USDT", tick="0.1", lot="0.001").to_msgpack()
        for writer in writers:
            writer.append_instrument(n + 1, time.time_ns(), listed)
    sources = [SourceOptions(name=name, journal=str(collector_journal(home, name)), transport="ws") for name in "ab"]
    hub = subprocess.Popen([sys.executable, "-m", "onetape.hub.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert hub.stdin is not None and hub.stdout is not None
    hub.stdin.write(msgspec.json.encode(HubOptions(home=str(home), sources=sources, filters=True)))
    hub.stdin.close()
    assert hub.stdout.readline() == b"ready\n"
    try:
        return _burst(home, writers, hub.pid, seconds, rate)
    finally:
        hub.terminate()
        hub.wait()
        hub.stdout.close()
        for writer in writers:
            writer.close()


def _burst(home: Path, writers: list[JournalWriter], pid: int, seconds: float, rate: int) -> Burst:
    each = max(round(rate * SLICE_S / len(writers) / SYMBOLS / 2), 1)  # trades, and as many quotes, of a symbol
    trades, quotes = (np.zeros(each, built_in()[type_id(name)].payload_dtype) for name in ("trade", "quote"))
    before = most = own_mib(pid)
    began, slices = time.monotonic(), round(seconds / SLICE_S)
    for n in range(slices):
        first, at = n * each + 1, time.time_ns()
        for row in (trades, quotes):
            row["ts_event"] = row["ts_recv"] = at + np.arange(each)
        trades["id_low"], trades["id_kind"], trades["side"] = np.arange(first, first + each), 1, 1
        trades["price"] = quotes["bid"] = 10_000 + n % 2
        quotes["update_id"] = np.arange(first, first + each)
        quotes["ask"], trades["size"], quotes["bid_size"], quotes["ask_size"] = 10_005, 1, 1, 1
        for writer in writers:
            for symbol in range(1, SYMBOLS + 1):
                writer.append_batch("trade", symbol, trades)
                writer.append_batch("quote", symbol, quotes)
        if n % 20 == 0:
            most = max(most, own_mib(pid))
        time.sleep(max(began + (n + 1) * SLICE_S - time.monotonic(), 0))
    ended, count = time.monotonic(), slices * each

    def look() -> None:
        nonlocal most
        most = max(most, own_mib(pid))

    lost, doubled, heard = counted(home, SYMBOLS, count, look)
    brought = count * SYMBOLS * 2 * len(writers)
    return Burst(
        brought, brought / (ended - began), count * SYMBOLS, lost, doubled, max(heard - ended, 0), most - before
    )


def counted(home: Path, symbols: int, trades: int, look: Callable[[], None]) -> tuple[int, int, float]:
    """Trades that the hub's journal lacks and has twice, of so many of each symbol numbered from 1, and when the last
    was read. look: is called all the while."""
    seen, lost = np.zeros((symbols + 1, trades + 1), np.uint8), 1
    with JournalReader(hub_journal(home)) as reader:
        heard = time.monotonic()
        while lost and time.monotonic() - heard < BEHIND_S:
            for frame in reader.frames(("trade",)):
                heard = time.monotonic()
                seen[frame.stream, int.from_bytes(frame.payload[32:40], "little")] += 1
            lost = int((seen[1:, 1:] == 0).sum())
            look()
    return lost, int((seen > 1).sum()), heard


def run(measure: Callable[[Path, float, int], T], title: str, rows_of: Callable[[T], list[Row]]) -> None:
    """Measures once, by the arguments of the command line, and prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=200_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.seconds, chosen.rate)
    figures = [
        {"name": f"{title}, {name}", "value": value, "unit": unit, "better": better, **more}
        for name, value, unit, better, more in rows_of(found)
    ]
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    run(
        burst,
        "hub, burst",
        lambda found: [
            ("messages brought", found.rate, "messages/s", "more", {"reach": 200_000}),
            ("trades lost or doubled", found.lost + found.doubled, "trades", "less", {"reach": 0}),
            ("its memory grew by", found.grown_mib, "MiB", "less", {}),
            ("read by who counts, after the end", found.behind_s, "s", "less", {}),
        ],
    )

"""A venue followed by one stream and one poller, merged by a hub, and the stream's process killed: how long until the
next price of a symbol is merged, and the longest pause between two in the second and a half after it. Real processes
beside a simulated exchange; the poller keeps to what the venue lets an address ask.

    python bench/hub_failover.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import msgspec

from onetape.collector.options import VenueFeedOptions, collector_journal
from onetape.exchange.server import VenueServer
from onetape.exchange.venues import Crowd, open_venue
from onetape.hub.options import HubOptions, SourceOptions, hub_journal
from onetape.model.time import SECOND
from onetape.tape.journal import JournalReader

AFTER_S = 1.5
NAMES = ("ws", "rest")


def exchange() -> int:
    server = VenueServer(open_venue("binance-usdm", seed=7, now=time.time_ns(), market=Crowd(100.0, 5 * SECOND)))
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result()


def started(module: str, options: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(options))
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    return process


def collector(home: Path, port: int, transport: str) -> subprocess.Popen[bytes]:
    options = VenueFeedOptions(
        name=transport,
        home=str(home),
        kind="binance-usdm",
        rest=f"http://127.0.0.1:{port}",
        ws=f"ws://127.0.0.1:{port}",
        transport=transport,
        renew_ns=3600 * SECOND,
        listings_ns=60 * SECOND,
        percent=95,
        streams=["ws"] if transport == "rest" else [],
    )
    return started("onetape.collector.main", options)


def quotes(home: Path, since: int) -> list[tuple[int, int]]:
    """When each of the first symbol was received, and its source."""
    with JournalReader(hub_journal(home)) as reader:
        reader.seek_time(since)
        found = [(each.time, (each.flags >> 8) - 1) for each in reader if each.type == "quote" and each.stream == 1]
    return sorted(found)


def rounds(count: int) -> dict[str, list[float]]:
    first, longest = [], []
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), exchange()
        sources = [
            SourceOptions(name=name, journal=str(collector_journal(home, name)), transport=name) for name in NAMES
        ]
        stream, poller = (collector(home, port, name) for name in NAMES)
        hub = started("onetape.hub.main", HubOptions(home=str(home), sources=sources, filters=False))
        try:
            for _ in range(count):
                while sum(source == 0 for _, source in quotes(home, time.time_ns() - SECOND)) < 20:
                    time.sleep(0.1)
                time.sleep(chance.uniform(1.0, 2.0))
                killed = time.time_ns()
                stream.kill()
                stream.wait()
                time.sleep(AFTER_S)
                found = quotes(home, killed - SECOND)
                last = max(at for at, source in found if source == 0)
                rest = [at for at, source in found if source == 1 and at > last]
                first.append(((rest or [time.time_ns()])[0] - last) / 1e6)
                longest.append(max(b - a for a, b in pairwise([last, *(rest or [time.time_ns()])])) / 1e6)
                stream = collector(home, port, "ws")
        finally:
            for process in (stream, poller, hub):
                process.terminate()
                process.wait()
    return {"first": first, "longest": longest}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    found = rounds(parser.parse_args().rounds)
    for name, gaps in found.items():
        gaps.sort()
        figures = {"p50_ms": gaps[len(gaps) // 2], "p99_ms": gaps[(len(gaps) * 99) // 100], "max_ms": gaps[-1]}
        print(json.dumps({"gap": name, "rounds": len(gaps)} | {key: round(each, 1) for key, each in figures.items()}))


if __name__ == "__main__":
    main()

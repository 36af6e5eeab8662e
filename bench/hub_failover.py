"""A venue followed by streams and one poller, merged by a hub, and one stream's process killed: how long until the
next price of a symbol is merged, and the longest pause between two in the second and a half after it. Real processes
beside a simulated exchange; the poller keeps to what the venue lets an address ask: all but a little of it, or beside
an account a part.

    python bench/hub_failover.py [--rounds 20] [--kind kraken] [--beside] [--streams 2]
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

from onetape.exchange.server import VenueServer
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.home import hub_journal
from onetape.model.time import SECOND
from onetape.options.collector import SHARE, SHARE_BESIDE, SHARE_URGENT, VenueFeedOptions, collector_journal
from onetape.options.hub import HubOptions, SourceOptions
from onetape.tape.journal import JournalReader

AFTER_S = 1.5
PATHS = {"binance-usdm": "", "kraken": "/v2"}


def exchange(kind: str) -> int:
    server = VenueServer(open_venue(kind, seed=7, now=time.time_ns(), market=Crowd(100.0, 5 * SECOND)))
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


def collector(chosen: argparse.Namespace, home: Path, port: int, name: str) -> subprocess.Popen[bytes]:
    is_polled = name == "rest"
    options = VenueFeedOptions(
        name=name,
        home=str(home),
        kind=chosen.kind,
        rest=f"http://127.0.0.1:{port}",
        ws=f"ws://127.0.0.1:{port}{PATHS[chosen.kind]}",
        transport="rest" if is_polled else "ws",
        renew_ns=3600 * SECOND,
        listings_ns=60 * SECOND,
        percent=round(100 * (SHARE_BESIDE if chosen.beside else SHARE)),
        urgent_percent=round(100 * SHARE_URGENT),
        streams=[f"ws{n}" for n in range(chosen.streams)] if is_polled else [],
    )
    return started("onetape.collector.main", options)


def quotes(home: Path, since: int) -> list[tuple[int, int]]:
    """When each of the first symbol was received, and its source."""
    with JournalReader(hub_journal(home)) as reader:
        reader.seek_time(since)
        found = [(each.time, (each.flags >> 8) - 1) for each in reader if each.type == "quote" and each.stream == 1]
    return sorted(found)


def rounds(chosen: argparse.Namespace) -> dict[str, list[float]]:
    first, longest = [], []
    names = [*(f"ws{n}" for n in range(chosen.streams)), "rest"]
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), exchange(chosen.kind)
        sources = [
            SourceOptions(name=name, journal=str(collector_journal(home, name)), transport=name.rstrip("0123456789"))
            for name in names
        ]
        stream, *others = (collector(chosen, home, port, name) for name in names)
        hub = started("onetape.hub.main", HubOptions(home=str(home), sources=sources, filters=False))
        try:
            for _ in range(chosen.rounds):
                while sum(source == 0 for _, source in quotes(home, time.time_ns() - SECOND)) < 20:
                    time.sleep(0.1)
                time.sleep(chance.uniform(1.0, 2.0))
                killed = time.time_ns()
                stream.kill()
                stream.wait()
                time.sleep(AFTER_S)
                found = quotes(home, killed - SECOND)
                last = max(at for at, source in found if source == 0)
                rest = [at for at, source in found if source != 0 and at > last]
                first.append(((rest or [time.time_ns()])[0] - last) / 1e6)
                longest.append(max(b - a for a, b in pairwise([last, *(rest or [time.time_ns()])])) / 1e6)
                stream = collector(chosen, home, port, names[0])
        finally:
            for process in (stream, *others, hub):
                process.terminate()
                process.wait()
    return {"first": first, "longest": longest}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kind", choices=PATHS, default="binance-usdm")
    parser.add_argument("--beside", action="store_true", help="an account of the venue asks from the address as well")
    parser.add_argument("--streams", type=int, default=1)
    found = rounds(parser.parse_args())
    for name, gaps in found.items():
        gaps.sort()
        figures = {"p50_ms": gaps[len(gaps) // 2], "p99_ms": gaps[(len(gaps) * 99) // 100], "max_ms": gaps[-1]}
        print(json.dumps({"gap": name, "rounds": len(gaps)} | {key: round(each, 1) for key, each in figures.items()}))


if __name__ == "__main__":
    main()

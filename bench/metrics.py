"""Metrics: a scrape of ten processes under `up`, and what it costs the gateway that trades.

    python bench/metrics.py [--count 100]

Two simulated exchanges, three gateways, five robots, all read over HTTP as Prometheus does. What the trading path pays
is the answer to `status` that each scrape asks of a gateway: `held_ms` is how long that takes over its socket, an upper
bound of what its loop is held; `touched_percent` is the share of orders that can meet it at a scrape each 15 s. Where
that is less than 1 %, no p99 can be worse by it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from up import ACCOUNTS, ROBOTS, STRATEGY, VENUES, config, onetape

from onetape.clients.gateway import GatewayClient
from onetape.supervisor.client import status_of

SCRAPED_EACH_S = 15.0


def spans_ms(count, take):
    spans = []
    for _ in range(count):
        began = time.perf_counter()
        take()
        spans.append((time.perf_counter() - began) * 1000)
        time.sleep(0.05)
    return sorted(spans)


def figures(spans):
    return {"p50_ms": spans[len(spans) // 2], "p99_ms": spans[len(spans) * 99 // 100], "max_ms": spans[-1]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory(prefix="metrics-") as name:
        folder, home = Path(name), Path(name) / ".onetape"
        (folder / "echo.py").write_text(STRATEGY)
        (folder / "onetape.toml").write_text(f"{config(VENUES, ACCOUNTS, ROBOTS)}\n[metrics]\nport = 0\n")
        try:
            onetape(folder, "up")
            now = status_of(home)
            address, running = now["metrics"], sum(each["state"] == "running" for each in now["processes"])
            scrape = spans_ms(count, lambda: urllib.request.urlopen(address, timeout=30).read())
            client = GatewayClient(home, "main")
            held = spans_ms(count, lambda: client.ask("status"))
        finally:
            onetape(folder, "down")
    found = {"scrape": figures(scrape), "held": figures(held)}
    found = {name: {key: round(value, 2) for key, value in each.items()} for name, each in found.items()}
    touched = sum(held) / len(held) / 1000 / SCRAPED_EACH_S * 100
    print(json.dumps({"processes": running, **found, "touched_percent": round(touched, 4)}))
    return 0 if running >= 10 and found["scrape"]["p50_ms"] <= 50 and touched < 1 else 1


if __name__ == "__main__":
    sys.exit(main())

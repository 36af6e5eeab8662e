"""What pages cost a gateway: tick-to-order with 20 open pages beside none, in turns.

Both are the stage of `tick_to_order.py` in which gateway and robot are one process over a socket. In every other round
the pages' process runs over the same home, as `up` starts it, and 20 pages show the market that is traded: quotes and
bars at up to 10 Hz, orders and trades at 5. What else the machine does, both have alike. The venue has a core; on two
cores the pages share the other one with the gateway.

    python bench/tick_to_order_pages.py [--ticks 4000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from dashboard_load import TOPICS, opened
from page_home import figure, instruments, pages_of
from tick_to_order import CONFIG, live, own_cores, percent, venue

STAGE, PAGES, REACH = "socket", 20, 5.0
DASHBOARD = "[dashboard]\nport = 0\n"


def looking(address: str, own: dict[str, str]) -> None:
    """Looks until it is ended; says how many messages came. Browsers have machines of their own: what these do here
    is done when nobody else has work."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    async def work() -> None:
        symbol = instruments(1)[0].symbol
        shown = ["overview", "symbols", *(topic.format(f"main|{symbol}") for topic in TOPICS)]
        made = [await opened(address, own, shown) for _ in range(PAGES)]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(min(each.messages for each in made), flush=True)

    asyncio.run(work())


class Watched:
    """messages: that the page with the fewest has had, by round."""

    def __init__(self) -> None:
        self.messages: list[int] = []

    @contextmanager
    def beside(self, folder: Path) -> Iterator[None]:
        config = CONFIG.format(rest="http://127.0.0.1:1", entry="socket", intents="process") + DASHBOARD
        with pages_of(folder, config) as made:
            command = [sys.executable, __file__, "--look", made.address, json.dumps(made.login())]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                yield
            finally:
                self.messages.append(int(child.communicate()[0] or 0))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    watched = Watched()
    found: dict[str, list[list[int]]] = {"without": [], "with": []}
    for number in range(options.rounds):
        for what in ("without", "with") if number % 2 else ("with", "without"):
            with venue(options) as (child, reported):
                more = {"beside": watched.beside} if what == "with" else {}
                found[what].append(live(child, reported, STAGE, **more)["seen"])
    if min(watched.messages) < 10:
        raise SystemExit(f"pages had {watched.messages} messages: nothing was shown")
    rows = []
    for which in (50, 99):
        ones, others = ([percent(each, which) for each in found[what]] for what in ("without", "with"))
        change = 100 * (median(others) / median(ones) - 1)
        rows += [
            figure(f"tick to order, no page, p{which}", median(ones), "us", None),
            figure(f"tick to order, {PAGES} pages, p{which}", median(others), "us", None),
            figure(f"tick to order, {PAGES} pages, change of p{which}", change, "%", REACH if which == 99 else None),
        ]
    return [*rows, figure("messages of a page in a round, at least", min(watched.messages), "", None)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=4000)
    parser.add_argument("--every-us", type=int, default=500, help="from an order to the next tick")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--look", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        looking(options.look[0], json.loads(options.look[1]))
        return
    own_cores()
    print(json.dumps({"load_average": os.getloadavg()[0], "figures": measure(options)}))


if __name__ == "__main__":
    main()

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
from typing import Any

from dashboard_load import TOPICS, opened
from page_home import figure, instruments, pages_of
from tick_to_order import CONFIG
from tick_to_order_beside import compare, options_of, show

PAGES = 20
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
    rows = compare(options, watched.beside, "no page", f"{PAGES} pages")
    if min(watched.messages) < 10:
        raise SystemExit(f"pages had {watched.messages} messages: nothing was shown")
    return [*rows, figure("messages of a page in a round, at least", min(watched.messages), "", None)]


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--look", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        looking(options.look[0], json.loads(options.look[1]))
        return
    show(lambda: measure(options))


if __name__ == "__main__":
    main()

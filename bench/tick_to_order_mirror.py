"""What a copy of its journals costs a gateway: tick-to-order while another host copies them beside none, in turns.

Both are the stage of `tick_to_order.py` in which gateway and robot are one process over a socket. In every other round
the process `cluster` runs over the same home, and another host copies all journals over a nats-server. Server and the
other host have machines of their own: what they do here is done when nobody else has work.

    python bench/tick_to_order_mirror.py [--ticks 4000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from mirror import free_port, start
from page_home import figure
from tick_to_order import live, own_cores, percent, venue

from onetape.tape.segments import is_tape

STAGE, REACH = "socket", 5.0


def on_another_machine(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        os.sched_setscheduler(int(thread), os.SCHED_IDLE, os.sched_param(0))
    return process


class Copied:
    """journals: that were copied, by round."""

    def __init__(self) -> None:
        self.journals: list[int] = []

    @contextmanager
    def beside(self, folder: Path) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as other:
            yield from self._copied(folder, Path(other))

    def _copied(self, folder: Path, other: Path) -> Iterator[None]:
        port = free_port()
        config = other / "nats.conf"
        config.write_text(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{other}/store", max_file: 4GB }}\n')
        server = shutil.which("nats-server")
        assert server is not None
        processes = [on_another_machine(subprocess.Popen([server, "-c", str(config)], stderr=subprocess.DEVNULL))]
        try:
            processes.append(start("here", folder / ".onetape", port))
            processes.append(on_another_machine(start("there", other / "there", port, follow=["here/*"])))
            yield
        finally:
            copies = (other / "there" / "hosts" / "here").rglob("control")
            self.journals.append(sum(is_tape(each.parent) for each in copies))
            for process in reversed(processes):
                process.terminate()
                process.wait()


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    copied = Copied()
    found: dict[str, list[list[int]]] = {"without": [], "with": []}
    for number in range(options.rounds):
        for what in ("without", "with") if number % 2 else ("with", "without"):
            with venue(options) as (child, reported):
                more = {"beside": copied.beside} if what == "with" else {}
                found[what].append(live(child, reported, STAGE, **more)["seen"])
    if min(copied.journals) < 2:
        raise SystemExit(f"copied were {copied.journals} journals, not those of gateway and robot")
    rows = []
    for which in (50, 99):
        ones, others = ([percent(each, which) for each in found[what]] for what in ("without", "with"))
        change = 100 * (median(others) / median(ones) - 1)
        rows += [
            figure(f"tick to order, no copy, p{which}", median(ones), "us", None),
            figure(f"tick to order, journals copied, p{which}", median(others), "us", None),
            figure(f"tick to order, journals copied, change of p{which}", change, "%", REACH if which == 99 else None),
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=4000)
    parser.add_argument("--every-us", type=int, default=500, help="from an order to the next tick")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("nats-server") is None:
        print(json.dumps({"figures": [], "note": "NOT_AVAILABLE: nats-server is not installed"}))
        return
    own_cores()
    print(json.dumps({"load_average": os.getloadavg()[0], "figures": measure(options)}))


if __name__ == "__main__":
    main()

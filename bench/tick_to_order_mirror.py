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
from typing import Any

from mirror import free_port, start
from tick_to_order_beside import compare, options_of, show

from onetape.tape.segments import is_tape


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
    rows = compare(options, copied.beside, "no copy", "journals copied")
    if min(copied.journals) < 2:
        raise SystemExit(f"copied were {copied.journals} journals, not those of gateway and robot")
    return rows


def main() -> None:
    options = options_of(__doc__).parse_args()
    if shutil.which("nats-server") is None:
        print(json.dumps({"figures": [], "note": "NOT_AVAILABLE: nats-server is not installed"}))
        return
    show(lambda: measure(options))


if __name__ == "__main__":
    main()

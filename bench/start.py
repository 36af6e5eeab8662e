"""Start-up: what `import onetape` costs, and every verb of the command line from the start of its
process to its end: for `--help`, and for the least real work that it can be given.

Whole processes, the command as it is installed, one after another, every kind once in each round,
beside an interpreter that does nothing. By the processor that they and what they waited for took,
as on a core of their own; by the clock where the work is to wait for others (`demo`, `up`,
`restart`, `down`, `sim` until it is ready, `run` at the tape's speed).

    python bench/start.py [--rounds 5] [--only VERB...]
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from onetape.cli.verbs import VERBS

SCRIPT = Path(sys.executable).with_name("onetape")
ONETAPE = [str(SCRIPT)] if SCRIPT.is_file() else [sys.executable, "-m", "onetape"]
BARE, IMPORT = "interpreter alone", "import onetape"
SYMBOL = "binance:BTC/USDT:USDT"
WAITING = {"demo", "up", "restart", "down", "run", "record", "probe"}
HELP_MS = 500  # of `--help`: start-up and nothing else
EVENTS = "2000"
CROSS = f"strategies/cross.py --data small.tape --param symbol={SYMBOL} --cash 10000"
CSV = "timestamp,price,size,side\n1704067200000,100.5,1,buy\n1704067201000,100.6,2,sell\n"
# The least work of each verb, in a folder with what `init` writes, `small.tape` and two runs on it;
# those of MANAGED with `up` before them. A verb that is not here has none that ends.
WORK = {
    "init": "init OUT",
    "doctor": "doctor --listen 0",
    "sample": f"sample --out again.tape --events {EVENTS} --force",
    "import": f"import csv rows.csv --symbol {SYMBOL} --out rows.tape --force",
    "fetch": f"fetch binance-vision --symbol {SYMBOL} --from 2024-02-01 --to 2024-02-02 --base-url URL --keep kept",
    "export": "export small.tape --format jsonl --out OUT",
    "journal": "journal verify small.tape",
    "backtest": f"backtest {CROSS} --out third --force --no-stress",
    "run": f"run {CROSS} --paper --speed 100000 --out OUT",
    "replay": "replay one --verify",
    "parity": "parity one two",
    "sweep": f"sweep {CROSS} --param fast=5,10 --jobs 1 --out OUT",
    "optimize": f"optimize {CROSS} --param fast=5..10 --trials 2 --jobs 1 --out OUT",
    "compare": "compare one two",
    "tca": "tca one",
    "attribution": "attribution one",
    "analyze": "analyze one --db sqlite:///runs.db",
    "demo": "demo --seconds 1 --headless",
}
MANAGED = {
    "up": "up",
    "status": "status",
    "logs": "logs",
    "restart": "restart robot:mm",
    "accounts": "accounts",
    "orders": "orders",
    "stops": "stops",
    "positions": "positions",
    "fills": "fills",
    "ledger": "ledger",
    "trips": "trips",
    "equity": "equity",
    "risk": "risk",
    "send": "send robot:mm status",
    "buy": f"buy {SYMBOL} 0.01 --dry-run",
    "sell": f"sell {SYMBOL} 0.01 --dry-run",
    "cancel": f"cancel --symbol {SYMBOL}",
    "close": f"close {SYMBOL}",
    "scan": "scan mid>0 --seconds 0.01",
    "record": "record kraken --seconds 0.1 --out OUT",
    "probe": "probe kraken --seconds 0.1",
    "flatten": f"flatten --symbol {SYMBOL}",
    "alerts": "alerts",
    "halts": "halts",
    "params": "params robot:mm",
    "variants": "variants",
    "down": "down",
}


class Bench:
    """Times in ms by what was run."""

    def __init__(self, folder: Path, url: str, only: list[str]) -> None:
        self.folder = folder
        self.url = url
        self.only = only
        self.found: dict[str, list[float]] = {}
        self._made = 0

    def time(self, name: str, command: list[str], *, by_clock: bool = False) -> None:
        with tempfile.TemporaryFile("w+") as said:
            began = time.perf_counter()
            process = subprocess.Popen(command, cwd=self.folder, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            clock_ms = (time.perf_counter() - began) * 1e3
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                text = said.read()
                if "error NOT_AVAILABLE" in text:  # of an extra that is not installed
                    sys.stderr.write(f"{name}: {text}")
                    return
                raise SystemExit(f"{name}: exit {process.returncode}: {text}")
        processor_ms = (used.ru_utime + used.ru_stime) * 1e3
        self.found.setdefault(name, []).append(clock_ms if by_clock else processor_ms)

    def work(self, verb: str, line: str) -> None:
        if self.only and verb not in self.only:
            return
        self._made += 1
        words = [{"OUT": f"out-{self._made}", "URL": self.url}.get(w, w) for w in line.split()]
        by_clock = verb in WAITING
        name = f"onetape {verb}: least work" + (", by the clock" if by_clock else "")
        self.time(name, [*ONETAPE, *words], by_clock=by_clock)

    def until_ready(self) -> None:
        """`sim` serves until it is stopped: to its first line."""
        command = [*ONETAPE, "sim", "binance-usdm"]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=self.folder) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise SystemExit("sim said nothing")
            took = (time.perf_counter() - began) * 1e3
            process.terminate()
        self.found.setdefault("onetape sim: ready, by the clock", []).append(took)


@contextmanager
def archive() -> Iterator[str]:
    """A server of one day of history: its address."""
    rows = "1706745600000,100.1,101.0,99.0,100.0,1,1706745659999,0,1,0,0,0\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("BTCUSDT-1m-2024-02-01.csv", rows)
    content = packed.getvalue()
    noted = f"{hashlib.sha256(content).hexdigest()}  BTCUSDT-1m-2024-02-01.zip\n".encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = noted if self.path.endswith(".CHECKSUM") else content
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def prepare(folder: Path) -> None:
    (folder / "rows.csv").write_text(CSV)
    backtest = WORK["backtest"].replace("third", "{}").split()
    for words in (
        ["init"],
        ["sample", "--out", "small.tape", "--events", EVENTS],
        *([word.format(name) for word in backtest] for name in ("one", "two")),
    ):
        subprocess.run([*ONETAPE, *words], cwd=folder, stdout=subprocess.DEVNULL, check=True)


def measure(bench: Bench, verbs: list[str]) -> None:
    """One round."""
    bench.time(BARE, [sys.executable, "-c", "pass"])
    bench.time(IMPORT, [sys.executable, "-c", "import onetape"])
    if not bench.only:
        bench.time("onetape --help", [*ONETAPE, "--help"])
    for verb in verbs:
        bench.time(f"onetape {verb} --help", [*ONETAPE, verb, "--help"])
    for verb, line in WORK.items():
        bench.work(verb, line)
    if "sim" in verbs:
        bench.until_ready()
    if not bench.only or set(bench.only) & set(MANAGED):
        everything, bench.only = bench.only, []
        try:
            for verb, line in MANAGED.items():
                bench.work(verb, line)
        finally:
            bench.only = everything
            with suppress(subprocess.SubprocessError):
                subprocess.run([*ONETAPE, "down"], cwd=bench.folder, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], metavar="VERB")
    options = parser.parse_args()
    verbs = [entry.name for entry in VERBS if not options.only or entry.name in options.only]
    for name in [name for name in os.environ if name.startswith("ONETAPE_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder, archive() as url:
        bench = Bench(Path(folder), url, options.only)
        prepare(bench.folder)
        for _ in range(options.rounds):
            measure(bench, verbs)
    medians = {name: statistics.median(times) for name, times in bench.found.items()}
    bare = medians.pop(BARE)
    shared = {"unit": "ms", "better": "less", "against": {"name": BARE, "value": bare}}
    figures = [{"name": IMPORT, "value": medians.pop(IMPORT) - bare, "unit": "ms", "better": "less", "reach": 60}]
    for name, value in medians.items():
        figure = {"name": name, "value": value, **shared}
        if name == "onetape --help":
            figure |= {"reach": 150, "headline": True}
        elif name.endswith("--help"):
            figure["reach"] = HELP_MS
        figures.append(figure)
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

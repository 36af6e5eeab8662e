"""`onetape up` of ten processes, and each kind killed: how long until it is ready again.

Two simulated exchanges, three gateways, five robots. The trading path is one exchange, its gateway
and a robot. Beside it in the same run what nobody can be faster than here: as many interpreters
that do nothing but import what a robot does, started at once. Prints one JSON object of figures.

    python bench/up.py [--rounds 3] [--small]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from onetape.supervisor.client import status_of

STRATEGY = """
from onetape import Strategy


class Echo(Strategy):
    symbol: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
"""
VENUES = {"binance": ("binance-usdm", "binance:BTC/USDT:USDT"), "kraken": ("kraken", "kraken:BTC/USD")}
ACCOUNTS = {"main": "binance", "second": "binance", "three": "kraken"}
ROBOTS = {"a": "main", "b": "main", "c": "second", "d": "three", "e": "three"}
SMALL = ({"binance": VENUES["binance"]}, {"main": "binance"}, {"a": "main"})
PATH = ("venue:binance", "gateway:main", "robot:a")
WITHIN_S = 120.0


def config(venues: dict[str, Any], accounts: dict[str, str], robots: dict[str, str]) -> str:
    lines = []
    for name, (kind, _) in venues.items():
        lines += [f"[venues.{name}]", f'kind = "{kind}"', 'mode = "sim"']
    for name, venue in accounts.items():
        lines += [f"[accounts.{name}]", f'venue = "{venue}"']
    for name, account in robots.items():
        symbol = venues[accounts[account]][1]
        lines += [
            f"[robots.{name}]",
            'strategy = "echo.py"',
            f'account = "{account}"',
            f'params = {{ symbol = "{symbol}" }}',
        ]
    return "\n".join(lines) + "\n"


def onetape(folder: Path, *arguments: str) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    subprocess.run(
        [sys.executable, "-m", "onetape", *arguments, "--json"],
        cwd=folder,
        env=clean,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def ready_at(home: Path) -> dict[str, float]:
    """By process, when it was ready for the first time, by the supervisor's log."""
    found: dict[str, float] = {}
    for line in (home / "logs" / "system.log").read_text().splitlines():
        answer = json.loads(line)
        if answer["text"] == "running":
            moment = datetime.fromisoformat(answer["time"].replace("Z", "+00:00"))
            found.setdefault(answer["process"], moment.timestamp())
    return found


def process(home: Path, name: str) -> dict[str, Any]:
    return next(p for p in status_of(home)["processes"] if p["name"] == name)


def killed(home: Path, name: str) -> float:
    """s until another one runs in its place."""
    before = process(home, name)
    began = time.perf_counter()
    os.kill(before["pid"], signal.SIGKILL)
    while time.perf_counter() < began + WITHIN_S:
        now = process(home, name)
        if now["state"] == "running" and now["pid"] != before["pid"]:
            return time.perf_counter() - began
        time.sleep(0.005)
    raise SystemExit(f"{name} did not come back")


def measured(shape: tuple[dict[str, Any], dict[str, str], dict[str, str]]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "echo.py").write_text(STRATEGY)
        (folder / "onetape.toml").write_text(config(*shape))
        home = folder / ".onetape"
        found = {"imports": imports(sum(map(len, shape)))}
        began = time.time()
        try:
            onetape(folder, "up")
            found["all"] = time.time() - began
            path = ready_at(home)
            found["path"] = max(path[each] for each in PATH) - began
            for each in PATH:
                found[each.partition(":")[0]] = killed(home, each)
        finally:
            onetape(folder, "down")
    return found


def imports(count: int) -> float:
    """s that as many interpreters take to import what a robot does, at once."""
    began = time.perf_counter()
    children = [subprocess.Popen([sys.executable, "-c", "import onetape.robot.main"]) for _ in range(count)]
    for child in children:
        child.wait()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="three processes")
    options = parser.parse_args()
    shape = SMALL if options.small else (VENUES, ACCOUNTS, ROBOTS)
    rounds = [measured(shape) for _ in range(options.rounds)]
    found = {key: round(median(each[key] for each in rounds), 3) for key in rounds[0]}
    count = sum(map(len, shape))
    floor = {"name": f"{count} interpreters that import", "value": found["imports"]}
    what = {
        "path": (f"up of {count} processes: trading path ready", 3, floor),
        "all": (f"up of {count} processes: all ready", 8, floor),
        "venue": ("killed exchange ready again", 2, None),
        "gateway": ("killed gateway ready again", 2, None),
        "robot": ("killed robot ready again", 2, None),
    }
    figures = [
        {"name": name, "value": found[key], "unit": "s", "better": "less", "reach": reach, "against": against}
        for key, (name, reach, against) in what.items()
    ]
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

"""The REST interface under load: reads and dry runs of a delta control, by 1,000 connections at a set rate.

The whole of `init --delta-neutral` runs beside it: three simulated exchanges, gateways, guardian, recorder, control
plane. A call's time is from when it was due, so that one that waits for its turn counts; its CPU time is that of the
control plane's process alone. Prints one JSON object.

    python bench/control.py [--connections 1000] [--reads 2000] [--dry-runs 300] [--seconds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

ONETAPE = [sys.executable, "-m", "onetape"]
ACCOUNTS = ["pacifica-main", "aster-hedge"]
CONTROL = {"targetDelta": 0.1, "accounts": ACCOUNTS, "maxDeviation": 0.1, "symbol": "BTC-USD", "dryRun": True}
PATIENCE_S = 60.0  # for answers that are still out at the end


def request(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


STATUS = request("GET", "system/status")
DRY_CONTROL = request("POST", "delta/control", CONTROL)


class Caller(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, load: Load) -> None:
        self.load, self.part, self.due = load, b"", 0.0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.load.idle:
            self.load.idle.remove(self)

    def data_received(self, data: bytes) -> None:
        self.part += data
        head, found, body = self.part.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            return
        self.part = b""
        self.load.answered(self, head[9:12] == b"200")


class Load:
    """Makes calls at a rate, each on a connection that is idle. window: ns UTC, from the first one to the last
    answer."""

    def __init__(self, call: bytes) -> None:
        self.call = call
        self.idle: list[Caller] = []
        self.waiting: list[float] = []  # when they were due, for want of a connection
        self.spent: list[float] = []
        self.refused = 0
        self.window = (0, 0)

    def answered(self, caller: Caller, is_ok: bool) -> None:
        self.spent.append(time.perf_counter() - caller.due)
        self.refused += not is_ok
        self.idle.insert(0, caller)
        if self.waiting:
            self.send(self.waiting.pop(0))

    def send(self, due: float) -> None:
        if not self.idle:
            self.waiting.append(due)
            return
        caller = self.idle.pop()
        caller.due = due
        caller.transport.write(self.call)

    async def run(self, rate: int, seconds: float) -> dict[str, float]:
        began, sent, count = time.perf_counter(), 0, int(rate * seconds)
        first = time.time_ns()
        while sent < count:
            due = min(count, int((time.perf_counter() - began) * rate) + 1)
            for number in range(sent, due):
                self.send(began + number / rate)
            sent = due
            await asyncio.sleep(0.001)
        deadline = time.perf_counter() + PATIENCE_S
        while len(self.spent) < count and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        self.window = (first, time.time_ns())
        ordered = sorted(self.spent)
        return {
            "per_second": round(len(ordered) / took),
            "p50_ms": round(ordered[len(ordered) // 2] * 1000, 2),
            "p99_ms": round(ordered[len(ordered) * 99 // 100] * 1000, 2),
            "unanswered": count - len(ordered),
            "refused": self.refused,
        }


def cpu_s(pid: int) -> float:
    """Returns what a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pid_of(up: dict[str, Any], name: str) -> int:
    return int(next(each["pid"] for each in up["processes"] if each["name"] == name))


async def connect(up: dict[str, Any], connections: int, made: Load) -> None:
    loop = asyncio.get_running_loop()
    host, _, port = up["control"].rpartition("/")[2].rpartition(":")
    for _ in range(connections):
        await loop.create_connection(lambda: Caller(made), host, int(port))


async def load(up: dict[str, Any], connections: int, made: Load, rate: int, seconds: float) -> dict[str, float]:
    pid = pid_of(up, "control")
    await connect(up, connections, made)
    before = cpu_s(pid)
    found = await made.run(rate, seconds)
    found["cpu_us"] = round((cpu_s(pid) - before) / max(1, len(made.spent)) * 1e6)
    for caller in list(made.idle):
        caller.transport.close()
    return found


@contextmanager
def pair(folder: Path, more: str = "", edits: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """What `up` says of all of `init --delta-neutral` until the block ends. more: sections of its configuration; edits:
    what takes the place of its texts."""
    subprocess.run([*ONETAPE, "init", "--delta-neutral", folder], check=True, stdout=subprocess.DEVNULL)
    config = folder / "onetape.toml"
    text = config.read_text()
    for old, new in {"port = 3000": "port = 0\ncalls_per_second = 0", **(edits or {})}.items():
        assert old in text, old
        text = text.replace(old, new)
    config.write_text(text + more)
    try:
        done = subprocess.run([*ONETAPE, "up", "--json"], cwd=folder, check=True, stdout=subprocess.PIPE)
        yield json.loads(done.stdout)
    finally:
        subprocess.run([*ONETAPE, "down"], cwd=folder, check=False, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("connections", 1000), ("reads", 2000), ("dry-runs", 300)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, pair(Path(folder)) as up:
        rows = {
            "status": (STATUS, options.reads),
            "metrics": (request("GET", "risk/metrics/pacifica-main"), options.reads),
            "dry_control": (DRY_CONTROL, options.dry_runs),
        }
        figures = {
            f"{name}_{figure}": value
            for name, (call, rate) in rows.items()
            for figure, value in uvloop.run(load(up, options.connections, Load(call), rate, options.seconds)).items()
        }
        print(json.dumps({"load_average": os.getloadavg()[0], **figures}))


if __name__ == "__main__":
    main()

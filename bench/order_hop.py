"""From a robot's order frame to its gateway's receipt in another process, asleep between orders.

The writer appends order requests to a journal as a robot does; the reader follows it in an event
loop as a gateway does. `process`: stamped when the loop has the frame. `disk`: when its intent is
on the reader's own journal and synced, as with `durability = "disk"`. In the same run: a pipe between
two processes with nothing done (one wake), a synced write of as many bytes (the device), and what
people use instead: a row in SQLite's write-ahead log that the other process looks for each
millisecond, and a Redis stream where a redis-server is installed. All have the same 96 bytes.
Prints one JSON object of figures.

    python bench/order_hop.py [--count 2000] [--every-us 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from onetape.orders.order_frames import REQUEST
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.wait import JournalWatch, Waiter

KINDS = ("process", "disk", "pipe", "sqlite", "sqlite synced", "redis")
STAMP_AT = 8  # of a request: its price carries when it was written
POLL_S = 0.001
WARM = 50
PERCENTS = (50, 99)


def request(number: int) -> bytes:
    """With the time of now in it."""
    return REQUEST.pack(number, time.monotonic_ns(), 10, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, b"order")


def stamp_of(payload: bytes) -> int:
    return int.from_bytes(payload[STAMP_AT : STAMP_AT + 8], "little")


# --- the reader's process -------------------------------------------------------------------------


def read(kind: str, folder: Path, count: int) -> list[int]:
    """ns of each, from its stamp until it is here."""
    match kind:
        case "process" | "disk":
            return uvloop.run(from_journal(folder, count, is_synced=kind == "disk"))
        case "pipe":
            return uvloop.run(from_pipe(count))
        case "redis":
            return from_redis(folder, count)
        case _:
            return from_sqlite(folder, count)


def ready() -> None:
    print("ready", flush=True)


async def from_journal(folder: Path, count: int, *, is_synced: bool) -> list[int]:
    samples: list[int] = []
    done = asyncio.Event()
    reader = JournalReader(folder / "robot")
    own = JournalWriter(folder / "gateway") if is_synced else None
    waiter = Waiter()
    waiter.add(reader)

    def take() -> None:
        stamps = []
        while (raw := reader.next_raw()) is not None:
            payload = bytes(raw[5])
            stamps.append(stamp_of(payload))
            if own is not None:
                own.append("order_request", payload, stream=0, time=time.time_ns())
        if own is not None and stamps:
            own.ensure("disk")
        now = time.monotonic_ns()
        samples.extend(now - stamp for stamp in stamps)
        if len(samples) >= count:
            done.set()

    watch = JournalWatch(waiter, take, asyncio.get_running_loop())
    ready()
    await done.wait()
    watch.close()
    if own is not None:
        own.close()
    return samples


async def from_pipe(count: int) -> list[int]:
    samples: list[int] = []
    done = asyncio.Event()

    def take() -> None:
        data = os.read(0, REQUEST.size)
        samples.append(time.monotonic_ns() - stamp_of(data))
        if len(samples) >= count:
            done.set()

    asyncio.get_running_loop().add_reader(0, take)
    ready()
    await done.wait()
    return samples


def from_sqlite(folder: Path, count: int) -> list[int]:
    base = sqlite3.connect(folder / "orders.db", isolation_level=None)
    samples: list[int] = []
    last = 0
    ready()
    while len(samples) < count:
        for row, payload in base.execute("SELECT id, payload FROM orders WHERE id > ? ORDER BY id", (last,)):
            samples.append(time.monotonic_ns() - stamp_of(payload))
            last = row
        time.sleep(POLL_S)
    return samples


def from_redis(folder: Path, count: int) -> list[int]:
    with socket.socket(socket.AF_UNIX) as redis:
        redis.connect(str(folder / "redis.sock"))
        file = redis.makefile("rb")
        samples: list[int] = []
        last = b"0-0"
        ready()
        while len(samples) < count:
            redis.sendall(command(b"XREAD", b"BLOCK", b"0", b"STREAMS", b"orders", last))
            for _, entries in reply(file):
                for entry, (_, payload) in entries:
                    samples.append(time.monotonic_ns() - stamp_of(payload))
                    last = entry
    return samples


# --- Redis's protocol -----------------------------------------------------------------------------


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def reply(file: Any) -> Any:
    line = file.readline()
    match line[:1]:
        case b"*":
            return [reply(file) for _ in range(int(line[1:]))]
        case b"$":
            data = file.read(int(line[1:]) + 2)
            return data[:-2]
        case b"-":
            raise RuntimeError(line.decode())
        case _:
            return line[1:-2]


# --- the writer -----------------------------------------------------------------------------------


@contextmanager
def writer(kind: str, folder: Path) -> Iterator[Callable[[int, Any], None]]:
    """Writes the request of a number; its second argument is the reader's process."""
    match kind:
        case "process" | "disk":
            with JournalWriter(folder / "robot") as journal:
                order_request = type_id("order_request")
                yield lambda number, _: journal.append_raw(order_request, request(number), 0, 0, time.time_ns())
        case "pipe":
            yield lambda number, child: os.write(child.stdin.fileno(), request(number))
        case "redis":
            with redis_server(folder) as (redis, file):

                def add(number: int, _: Any) -> None:
                    redis.sendall(command(b"XADD", b"orders", b"*", b"p", request(number)))
                    reply(file)

                yield add
        case _:
            base = sqlite3.connect(folder / "orders.db", isolation_level=None)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute(f"PRAGMA synchronous = {'FULL' if 'synced' in kind else 'NORMAL'}")
            base.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, payload BLOB)")
            yield lambda number, _: base.execute("INSERT INTO orders (payload) VALUES (?)", (request(number),))
            base.close()


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[socket.socket, Any]]:
    path = folder / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not path.exists():
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as redis:
            redis.connect(str(path))
            yield redis, redis.makefile("rb")
    finally:
        server.terminate()
        server.wait(10)


def measured(kind: str, count: int, every_us: int) -> list[int]:
    """ns of each order, sorted; the first ones are not counted."""
    total = count + WARM
    with tempfile.TemporaryDirectory() as name, writer(kind, Path(name)) as write:
        child = subprocess.Popen(
            [sys.executable, __file__, "--reader", kind, "--folder", name, "--count", str(total)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == b"ready\n"
        for number in range(1, total + 1):
            write(number, child)
            time.sleep(every_us / 1e6)
        reported = child.stdout.read()
        child.stdin.close()
        child.wait(60)
        child.stdout.close()
    return sorted(json.loads(reported)[WARM:])


def synced(count: int) -> list[int]:
    """ns of as many bytes written and synced: the device."""
    samples = []
    with tempfile.TemporaryDirectory() as name:
        file = os.open(Path(name) / "file", os.O_WRONLY | os.O_CREAT)
        os.posix_fallocate(file, 0, 1 << 20)
        for number in range(count):
            began = time.perf_counter_ns()
            os.pwrite(file, request(number), number * REQUEST.size % (1 << 20))
            os.fdatasync(file)
            samples.append(time.perf_counter_ns() - began)
        os.close(file)
    return sorted(samples)


def at(samples: list[int], percent: int) -> float:
    """us."""
    return round(samples[min(len(samples) * percent // 100, len(samples) - 1)] / 1000, 1)


def figures(found: dict[str, list[int]]) -> Iterator[dict[str, Any]]:
    names = {
        "process": "order frame to the gateway's receipt, journal `process`",
        "disk": "order frame to an intent that is synced, journal `disk`",
        "pipe": "one wake over a pipe, nothing done",
        "device": "96 bytes written and synced",
        "sqlite": "SQLite WAL, looked for each millisecond",
        "sqlite synced": "SQLite WAL synced, looked for each millisecond",
        "redis": "Redis stream",
    }
    floors = {"process": "pipe", "disk": "device"}
    for kind, samples in found.items():
        for percent in PERCENTS:
            figure = {
                "name": f"{names[kind]}, p{percent}",
                "value": at(samples, percent),
                "unit": "us",
                "better": "less",
            }
            if kind in floors:
                floor = floors[kind]
                figure["against"] = {"name": names[floor], "value": at(found[floor], percent)}
            if percent == 99 and kind == "process":
                figure["reach"] = 200
            if percent == 99 and kind == "disk":
                figure["reach"] = at(found["device"], 99) + 1000
            yield figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--every-us", type=int, default=1000)
    parser.add_argument("--reader", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        print(json.dumps(read(options.reader, options.folder, options.count)))
        return
    kinds = [kind for kind in KINDS if kind != "redis" or shutil.which("redis-server")]
    found = {kind: measured(kind, options.count, options.every_us) for kind in kinds}
    found["device"] = synced(min(options.count, 1000))
    print(json.dumps({"figures": list(figures(found))}))


if __name__ == "__main__":
    main()

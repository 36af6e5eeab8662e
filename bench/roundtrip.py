"""Round trip between two Python processes over two journals, a callback on both sides.

Prints one JSON line: p50, p99, p99.9 in microseconds for spinning and sleeping, and in the same
run for a blocking unix socket with msgspec, which is what the journals stand in for.

    python bench/roundtrip.py [--count 20000] [--directory DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.wait import Waiter

TIMER = type_id("timer")
PAYLOAD = bytes(16)


def percentiles(samples: list[int]) -> dict[str, float]:
    ordered = sorted(samples)
    at = lambda q: round(ordered[min(len(ordered) - 1, int(q * len(ordered)))] / 1000, 3)  # noqa: E731
    return {"p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999), "max": at(1.0)}


def pin(cpu: int) -> None:
    if hasattr(os, "sched_setaffinity") and cpu < (os.cpu_count() or 1):
        os.sched_setaffinity(0, {cpu})


def echo(directory: Path, count: int, spin: float) -> None:
    """The other side: answers each ping with a pong that carries the ping's time."""
    pin(1)
    writer = JournalWriter(directory / "pong", durable=False)
    while not (directory / "ping" / "0000000001.tape").exists():
        time.sleep(0.001)
    reader = JournalReader(directory / "ping")
    waiter = Waiter(directory / "bells-b")
    waiter.add(reader)
    append = writer.append_raw
    seen = 0

    def answer(_i: int, _t: int, _f: int, _s: int, sent: int, _st: int, payload: bytes) -> bool:
        nonlocal seen
        append(TIMER, payload, 0, 0, sent)
        seen += 1
        return seen == count

    waiter.follow(answer, 20.0, spin=spin)
    os._exit(0)


def journals(count: int, spin: float, base: str | None) -> dict[str, float]:
    directory = Path(tempfile.mkdtemp(dir=base))
    child = os.fork()
    if child == 0:
        echo(directory, count, spin)
    pin(0)
    writer = JournalWriter(directory / "ping", durable=False)
    while not (directory / "pong" / "0000000001.tape").exists():
        time.sleep(0.001)
    time.sleep(0.3)
    reader = JournalReader(directory / "pong")
    waiter = Waiter(directory / "bells-a")
    waiter.add(reader)
    append, clock = writer.append_raw, time.perf_counter_ns
    last = 0
    samples: list[int] = []

    def ping() -> None:
        nonlocal last
        last = clock()
        append(TIMER, PAYLOAD, 0, 0, last)

    def pong(_i: int, _t: int, _f: int, _s: int, sent: int, _st: int, payload: bytes) -> bool:
        now = clock()
        assert sent == last  # the answer to this ping and no other
        samples.append(now - sent)
        if len(samples) == count:
            return True
        if spin == 0:
            time.sleep(0)  # both are asleep before the next one
        ping()
        return False

    ping()
    waiter.follow(pong, 20.0, spin=spin)
    os.waitpid(child, 0)
    if len(samples) < count:
        sys.exit(f"only {len(samples)} of {count} answers came")
    return percentiles(samples[count // 10 :])


def sockets(count: int) -> dict[str, float]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        pin(1)
        for _ in range(count):
            theirs.send(msgspec.msgpack.encode(msgspec.msgpack.decode(theirs.recv(256))))
        os._exit(0)
    pin(0)
    samples = []
    for number in range(count):
        sent = time.perf_counter_ns()
        ours.send(msgspec.msgpack.encode([sent, number]))
        assert msgspec.msgpack.decode(ours.recv(256))[0] == sent
        samples.append(time.perf_counter_ns() - sent)
    os.waitpid(child, 0)
    return percentiles(samples[count // 10 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--directory")
    options = parser.parse_args()
    base = options.directory or ("/dev/shm" if Path("/dev/shm").is_dir() else None)
    spinning = journals(options.count, 0.01, base)
    sleeping = journals(options.count // 4, 0.0, base)
    rival = sockets(options.count // 4)
    figures = []
    for label, measured, name, reach in (
        ("spinning, median", spinning, "p50", 0.8),
        ("spinning, 99 %", spinning, "p99", 2.0),
        ("sleeping, median", sleeping, "p50", 60.0),
        ("sleeping, 99 %", sleeping, "p99", None),
    ):
        figures.append(
            {
                "name": f"round trip of two processes over two journals, {label}",
                "value": measured[name],
                "unit": "us",
                "better": "less",
                "reach": reach,
                "against": {"name": "unix socket with msgspec", "value": rival[name]},
            }
        )
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()

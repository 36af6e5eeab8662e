"""A journal of one host copied by another over a nats-server, all on loopback: lag of single frames, how long a writer
waits until the other host has one, frames per second that the copy keeps up with, and a million that were missed.

Two processes of the cluster, a server with its store, and this one, which writes and reads.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.wait import Waiter

FRAMES = 1_000_000
SINGLE = 2_000
ROW = bytes(96)


def start(host: str, home: Path, port: int, **more: Any) -> subprocess.Popen[bytes]:
    options = {"host": host, "home": str(home), "servers": [f"nats://127.0.0.1:{port}"], **more}
    process = subprocess.Popen(
        [sys.executable, "-m", "onetape.cluster.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(options).encode())
    process.stdin.close()
    assert process.stdout.readline().startswith(b"ready")
    return process


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(reader: JournalReader, sequence: int) -> float:
    """Seconds until the copy has this frame."""
    begun = time.perf_counter()
    while reader.last_sequence < sequence:
        assert time.perf_counter() - begun < 120, (reader.last_sequence, sequence)
        time.sleep(0.001)
    return time.perf_counter() - begun


def main() -> None:
    server = shutil.which("nats-server")
    if server is None:
        print(json.dumps({"figures": [], "note": "NOT_AVAILABLE: nats-server is not installed"}))
        return
    folder = Path(tempfile.mkdtemp(prefix="mirror-"))
    port = free_port()
    config = folder / "nats.conf"
    config.write_text(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{folder}/store", max_file: 4GB }}\n')
    nats = subprocess.Popen([server, "-c", str(config)], stderr=subprocess.DEVNULL)
    processes = [nats]
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)
        source, target = folder / "a", folder / "b"
        writer = JournalWriter(source / "journal" / "gateway-main", process="gateway:main", heartbeat=True)
        writer.append("log", b"\x80")
        processes.append(start("a", source, port, replicated={"gateway:main": "b"}))
        processes.append(start("b", target, port, follow=["a/*"]))
        copied = target / "hosts" / "a" / "journal" / "gateway-main"
        while not (copied / "0000000001.tape").exists():
            time.sleep(0.05)
        reader = JournalReader(copied)
        until(reader, writer.published)
        lags = single(writer, reader)
        waits = replicated(writer)
        begun = time.perf_counter()
        for _ in range(FRAMES):
            writer.append_raw(1, ROW, 0, 0, 0)
        written = time.perf_counter() - begun
        late = until(reader, writer.published)
        paced_lags = paced(writer, reader)
        processes.pop().terminate()
        for _ in range(FRAMES):
            writer.append_raw(1, ROW, 0, 0, 0)
        begun = time.perf_counter()
        processes.append(start("b", target, port, follow=["a/*"]))
        until(reader, writer.published)
        repaired = time.perf_counter() - begun
        rate = FRAMES / (written + late)
        print(
            json.dumps(
                {
                    "figures": [
                        figure("copy of a journal, lag p50", statistics.median(lags) * 1e3, "ms", "less", 1),
                        figure("copy of a journal, lag p99", lags[len(lags) * 99 // 100] * 1e3, "ms", "less", 20),
                        figure("copy of a journal, lag at 20 k frames/s p99", paced_lags * 1e3, "ms", "less", None),
                        figure("record at a second host p50", statistics.median(waits) * 1e3, "ms", "less", 1),
                        figure("record at a second host p99", waits[len(waits) * 99 // 100] * 1e3, "ms", "less", 5),
                        figure("copy of a journal, frames", rate, "frames/s", "more", 200_000),
                        figure("a million missed frames copied", repaired, "s", "less", 30),
                    ]
                }
            )
        )
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
        shutil.rmtree(folder)


def single(writer: JournalWriter, reader: JournalReader) -> list[float]:
    """Seconds from the append of a frame to its read in the copy, one each 2 ms, in order of size."""
    waiter = Waiter()
    waiter.add(reader)
    reader.seek_sequence(writer.published + 1)
    found = []
    for _ in range(SINGLE):
        begun = time.perf_counter()
        writer.append_raw(1, ROW, 0, 0, 0)
        while reader.next_frame() is None:
            waiter.wait(1.0)
        found.append(time.perf_counter() - begun)
        time.sleep(0.002)
    waiter.remove(reader)
    return sorted(found)


def replicated(writer: JournalWriter) -> list[float]:
    """Seconds that an order with durability "replicated" waits for its record, one each 2 ms, in order of size."""
    found = []
    for _ in range(SINGLE):
        begun = time.perf_counter()
        writer.append_raw(1, ROW, 0, 0, 0)
        writer.ensure("replicated")
        found.append(time.perf_counter() - begun)
        time.sleep(0.002)
    return sorted(found)


def paced(writer: JournalWriter, reader: JournalReader) -> float:
    """p99 of the lag of one frame in two hundred, while 20,000 are written each second. A child reads."""
    read, write = os.pipe()
    count = 100_000
    first = writer.published + 1
    child = os.fork()
    if child == 0:
        reader = JournalReader(reader.path)
        reader.seek_sequence(first)
        waiter = Waiter()
        waiter.add(reader)
        os.write(write, b"ready")
        lags = []
        while len(lags) < count // 200:
            frame = reader.next_frame()
            if frame is None:
                waiter.wait(1.0)
            elif (frame.sequence - first) % 200 == 0:
                lags.append(time.time_ns() - frame.time)
        os.write(write, json.dumps(sorted(lags)[len(lags) * 99 // 100]).encode())
        os._exit(0)
    os.read(read, 5)
    begun = time.perf_counter()
    for number in range(count):
        if number % 20 == 0:
            while time.perf_counter() - begun < number / 20_000:
                time.sleep(0.0005)
        writer.append_raw(1, ROW, 0, 0, time.time_ns())
    lag = int(os.read(read, 100))
    os.waitpid(child, 0)
    return lag / 1e9


def figure(name: str, value: float, unit: str, better: str, reach: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "better": better, "reach": reach}


if __name__ == "__main__":
    main()

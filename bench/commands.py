"""A command's round trip: a strategy's process asks a gateway's to allocate, over its socket, and
is answered when that is on the gateway's journal; and 8 strategies at once.

The gateway is a process of its own, on an account of a simulated exchange. `process`: what was
answered survives the gateway's death. `disk`: a loss of power too, one sync for all commands of a
turn of its loop. Beside it what the machine takes to wake two processes in turn: the same bytes
there and back over a socket, and nothing done. Prints one JSON object of figures.

    python bench/commands.py [--count 2000]
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from onetape.ipc import IPCCommandSystem
from onetape.ipc.commands import BINANCE_STRATEGY_BALANCE_CMD, binance_strategy_balance
from onetape.robot.live import addressed, gateway_process, simulated_exchange

SYMBOL = "binance:BTC/USDT:USDT"
STRATEGIES = {f"s{n}": n + 2 for n in range(8)}


async def trips(home: Path, name: str, count: int) -> list[int]:
    """ns of each, one after another: to and fro between the pool and the sub-account."""
    system = IPCCommandSystem(name, home=home)
    system.start()
    samples = []
    for step in range(count):
        payload = binance_strategy_balance(
            name, "release" if step % 2 else "allocate", "usdt", 1, index=STRATEGIES[name]
        )
        began = time.perf_counter_ns()
        answer = await system.send_command("gateway:bench", BINANCE_STRATEGY_BALANCE_CMD, payload)
        samples.append(time.perf_counter_ns() - began)
        assert answer.status == "applied", answer
    system.stop()
    return samples


def floor(count: int) -> list[int]:
    """ns to another process and back."""
    code = "import socket, sys\ns = socket.socket(fileno=int(sys.argv[1]))\nwhile line := s.recv(4096): s.sendall(line)"
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", code, str(theirs.fileno())]
    samples = []
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours:
        theirs.close()
        for _ in range(count):
            began = time.perf_counter_ns()
            ours.sendall(b"x" * 300)
            ours.recv(4096)
            samples.append(time.perf_counter_ns() - began)
    return samples[count // 10 :]


@contextmanager
def gateway(home: Path, commands: str) -> Iterator[None]:
    with simulated_exchange("binance-usdm", 3) as reported:
        options = addressed(home, "bench", reported, reported["accounts"][0], [SYMBOL])
        options = msgspec.structs.replace(options, subaccounts=STRATEGIES, commands=commands)
        with gateway_process(options):
            yield


def at_once(home: Path, count: int) -> tuple[list[int], float]:
    """A process for each strategy; their samples, and commands a second of all together."""
    began = time.monotonic()
    asking = [
        subprocess.Popen(
            [sys.executable, __file__, "--as", name, "--home", str(home), "--count", str(count)], stdout=subprocess.PIPE
        )
        for name in STRATEGIES
    ]
    received = [json.loads(each.communicate()[0]) for each in asking]
    assert all(each.returncode == 0 for each in asking)
    seconds = max(each["ended"] for each in received) - max(each["began"] for each in received)
    assert time.monotonic() - began >= seconds
    samples = [ns for each in received for ns in each["samples"]]
    return samples, len(samples) / seconds


def percentile(samples: list[int], share: float) -> float:
    return round(sorted(samples)[int(share * (len(samples) - 1))] / 1000, 1)


def figures(
    name: str, samples: list[int], reach: tuple[float, float] | None, bare: list[int] | None = None
) -> list[dict]:
    wanted: tuple[float | None, float | None] = reach or (None, None)
    return [
        {
            "name": f"{name}, {word}",
            "unit": "us",
            "better": "less",
            "reach": most,
            "value": percentile(samples, share),
            "against": {"name": "bytes to a process and back", "value": percentile(bare, share)} if bare else None,
        }
        for word, share, most in (("p50", 0.5, wanted[0]), ("p99", 0.99, wanted[1]))
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--as", dest="name", default="")
    parser.add_argument("--home", default="")
    options = parser.parse_args()
    if options.name:
        uvloop.run(trips(Path(options.home), options.name, 10))
        received: dict[str, Any] = {"began": time.monotonic()}
        received["samples"] = uvloop.run(trips(Path(options.home), options.name, options.count))
        received["ended"] = time.monotonic()
        print(json.dumps(received))
        return
    shown = []
    for level in ("process", "disk"):
        with tempfile.TemporaryDirectory() as folder, gateway(Path(folder), level):
            home = Path(folder)
            uvloop.run(trips(home, "s0", 200))
            samples = uvloop.run(trips(home, "s0", options.count))
            reach = (150.0, 1000.0) if level == "process" else None
            bare = floor(options.count)
            shown += figures(f"allocate, journaled ({level})", samples, reach, bare)
            together, rate = at_once(home, options.count // 4)
            shown += figures(f"allocate, 8 strategies at once ({level})", together, None)
            shown.append(
                {
                    "name": f"allocate, 8 strategies together ({level})",
                    "unit": "/s",
                    "value": round(rate),
                    "better": "more",
                }
            )
    print(json.dumps({"figures": shown}, indent=1))


if __name__ == "__main__":
    main()

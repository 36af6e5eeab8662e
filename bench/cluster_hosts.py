"""38 hosts as 38 process groups on one machine: 30 readers of 200 symbols, five traders that share one gateway,
its standby, records, and a host with hub and gateway, each with a home, a supervisor and copies of its own.

Measured: the way of a quote, from the time that the venue gives it until each trader's callback; what a host costs in
memory and processor; whether all processes run to the end. Prints one JSON object of figures.

    python bench/cluster_hosts.py [--seconds 3600] [--readers 30] [--symbols 200] [--rate 1]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from onetape.model.instrument import from_symbol
from onetape.supervisor.client import status_of
from onetape.tape.journal import JournalWriter, type_id
from onetape.tape.schema import built_in

TAPE_S = 60
TRADERS = 5
AT_ONCE = 4  # hosts that start
UP_WITHIN_S = 300.0
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
Pids = dict[str, dict[str, int]]  # by host and process
STRATEGY = '''
import json
import time
from pathlib import Path

from onetape import Strategy


class Trader(Strategy):
    """Notes how old each quote is, in ms, and orders now and then."""

    symbols: list[str] = []
    out: str = ""
    skip_s: float = 30.0

    def on_start(self):
        self.counts, self.begun = {}, time.time()
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)
        self.set_timer("act", every="10s")

    def on_quote(self, quote):
        age = max(0, (time.time_ns() - quote.ts_event) // 1_000_000)
        if time.time() - self.begun > self.skip_s:
            self.counts[age] = self.counts.get(age, 0) + 1

    def on_timer(self, name):
        symbol = self.symbols[0]
        for order in self.orders(symbol):
            self.cancel(order)
        if (quote := self.quote(symbol)) is not None and not self.orders(symbol):
            self.buy(symbol, 0.01, price=round(quote.bid * 0.99, 1))
        Path(self.out).write_text(json.dumps(self.counts))
'''


def market(folder: Path, symbols: Sequence[str], rate: int) -> Path:
    """Writes a tape of so many quotes a second of each symbol."""
    path, quote = folder / "market.tape", built_in()[type_id("quote")].payload_dtype
    at = 1_760_000_000_000_000_000
    with JournalWriter(path, durable=False) as writer:
        for number, symbol in enumerate(symbols, 1):
            writer.append_instrument(number, at, from_symbol(symbol, tick="0.1", lot="0.001").to_msgpack())
        row = np.zeros(1, quote)
        row["bid_size"] = row["ask_size"] = 1_000_000
        step = 1_000_000_000 // (rate * len(symbols))
        for n in range(TAPE_S * rate * len(symbols)):
            number, time_ = n % len(symbols) + 1, at + n * step
            row["ts_event"] = row["ts_recv"] = time_
            row["bid"] = 500_000 + number * 10 + n // len(symbols) % 7
            row["ask"], row["update_id"] = row["bid"] + 1, n + 1
            writer.append_batch("quote", number, row)
    return path


def configured(hosts: Sequence[str], readers: int, symbols: Sequence[str], nats: int, venue: int, out: Path) -> str:
    address = f"127.0.0.1:{venue}"
    text = f'[cluster]\nservers = ["nats://127.0.0.1:{nats}"]\n[hosts.desk]\n[hosts.spare]\n'
    text += '[hosts.records]\nprocesses = ["recorder"]\n'
    text += "".join(f"[hosts.{host}]\n" for host in hosts if host.startswith("tick"))
    text += "".join(f'[hosts.trade-{n}]\nprocesses = ["robot:t{n}"]\n' for n in range(TRADERS))
    text += f'[venues.x]\nkind = "binance-usdm"\nrest = "http://{address}"\nws = "ws://{address}"\n'
    for n in range(readers):
        text += f'[collectors.tick_{n}]\nvenue = "x"\nhosts = "tick-{n}"\nsymbols = {json.dumps(symbols[n::readers])}\n'
    text += '[hub]\n[recorder]\n[accounts.main]\nvenue = "x"\nkey = "file:key"\nsecret = "file:secret"\n'
    text += 'standby = "spare"\n'
    for n in range(TRADERS):
        params = f'{{ symbols = {json.dumps(symbols)}, out = "{out}/ages-{n}.json" }}'
        text += f'[robots.t{n}]\nstrategy = "trader.py"\naccount = "main"\nparams = {params}\n'
    return text


def onetape(folder: Path, host: str, *arguments: str) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    done = subprocess.run(
        [sys.executable, "-m", "onetape", *arguments, "--home", host, "--json"],
        cwd=folder,
        env=clean | {"ONETAPE_CLUSTER__HOST": host},
        check=False,
        capture_output=True,
        timeout=UP_WITHIN_S,
    )
    if done.returncode:
        print(host, *arguments, done.stdout.decode()[-500:], done.stderr.decode()[-500:], file=sys.stderr)


def processes(home: Path) -> list[dict[str, Any]]:
    return [each for each in status_of(home)["processes"] if each["pid"]]


def cost(home: Path) -> tuple[float, float]:
    """Returns seconds of a processor and MiB of a host's processes; memory that they share counts once."""
    seconds, memory = 0.0, 0.0
    for each in processes(home):
        try:
            fields = Path(f"/proc/{each['pid']}/stat").read_text().rpartition(")")[2].split()
            memory += own_mib(each["pid"])
        except (FileNotFoundError, ProcessLookupError):
            continue
        seconds += (int(fields[11]) + int(fields[12])) / TICKS_S
    return seconds, memory


def own_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def ages(out: Path) -> Iterator[tuple[str, dict[int, int]]]:
    for path in sorted(out.glob("ages-*.json")):
        yield path.stem, {int(age): count for age, count in json.loads(path.read_text()).items()}


def share(counts: dict[int, int], part: float) -> int:
    left = sum(counts.values()) * part
    for age in sorted(counts):
        left -= counts[age]
        if left <= 0:
            return age
    return -1


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def served(stack: ExitStack, command: list[str], folder: Path, port: int, **more: Any) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, cwd=folder, text=True, **more)
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGTERM)
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert process.poll() is None, command
        time.sleep(0.05)
    return process


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--readers", type=int, default=30)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--rate", type=int, default=1, help="quotes a second of each symbol")
    options = parser.parse_args()
    nats_server = shutil.which("nats-server")
    if nats_server is None:
        print(json.dumps({"figures": [], "note": "NOT_AVAILABLE: nats-server is not installed"}))
        return
    symbols = [f"binance:S{n}/USDT:USDT" for n in range(options.symbols)]
    hosts = ["desk", "spare", "records", *(f"tick-{n}" for n in range(options.readers))]
    hosts += [f"trade-{n}" for n in range(TRADERS)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        nats, venue = free_port(), free_port()
        (folder / "nats.conf").write_text(f'listen: 127.0.0.1:{nats}\njetstream {{ store_dir: "{folder}/store" }}\n')
        server = served(stack, [nats_server, "-c", "nats.conf"], folder, nats, stderr=subprocess.DEVNULL)
        tape = market(folder, symbols, options.rate)
        command = [sys.executable, "-m", "onetape", "sim", "binance-usdm", "--port", str(venue), "--no-limits"]
        command += ["--tape", str(tape), "--loop", "--json"]
        exchange = served(stack, command, folder, venue, stdout=subprocess.PIPE)
        assert exchange.stdout is not None
        (account, *_) = json.loads(exchange.stdout.readline())["accounts"]
        for name in ("key", "secret"):
            (folder / name).touch(0o600)
            (folder / name).write_text(account[name])
        (folder / "trader.py").write_text(STRATEGY)
        (folder / "onetape.toml").write_text(configured(hosts, options.readers, symbols, nats, venue, folder))
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        stack.callback(lambda: [*pool.map(lambda host: onetape(folder, host, "down"), reversed(hosts))])
        begun = time.perf_counter()
        [*pool.map(lambda host: onetape(folder, host, "up"), hosts)]
        started = time.perf_counter() - begun
        ran = {host: {each["name"]: each["pid"] for each in processes(folder / host)} for host in hosts}
        before = {host: cost(folder / host)[0] for host in hosts}
        began = time.perf_counter()
        time.sleep(options.seconds)
        lasted = time.perf_counter() - began
        after = {host: cost(folder / host) for host in hosts}
        there = {host: {each["name"]: each["pid"] for each in processes(folder / host)} for host in hosts}
        found = dict(ages(folder))
        for host in hosts:
            for each in status_of(folder / host)["processes"]:
                if each["state"] not in ("running", "standby") or each["restarts"]:
                    print(host, each["name"], each["state"], each["restarts"], each["reason"], file=sys.stderr)
        print(json.dumps(report(started, lasted, before, after, ran, there, found, server.pid)))


def report(
    started: float,
    lasted: float,
    before: dict[str, float],
    after: dict[str, tuple[float, float]],
    ran: Pids,
    there: Pids,
    found: dict[str, dict[int, int]],
    nats: int,
) -> dict[str, Any]:
    shares = {host: (after[host][0] - before[host]) / lasted * 100 for host in after}
    kinds = {"reader": "tick", "trader": "trade", "hub and gateway": "desk", "standby": "spare", "records": "records"}
    rows: list[tuple[str, float, str, str, float | None]] = [
        ("hosts that ran", len(after), "hosts", "more", 38),
        ("hosts of which a process ended", sum(there[host] != ran[host] for host in ran), "hosts", "less", 0),
        ("all hosts up", started, "s", "less", None),
        ("quote to the slowest trader p50", max(share(each, 0.5) for each in found.values()), "ms", "less", None),
        ("quote to the slowest trader p99", max(share(each, 0.99) for each in found.values()), "ms", "less", 50),
        ("quotes that a trader took", min(sum(each.values()) for each in found.values()), "quotes", "more", None),
        ("the server's memory", own_mib(nats), "MiB", "less", None),
    ]
    for kind, word in kinds.items():
        names = [host for host in after if host.startswith(word)]
        rows.append((f"{kind}: processor", sum(shares[each] for each in names) / len(names), "%", "less", None))
        rows.append((f"{kind}: memory", sum(after[each][1] for each in names) / len(names), "MiB", "less", None))
    names = ("name", "value", "unit", "better", "reach")
    return {"figures": [dict(zip(names, row, strict=True)) for row in rows], "seconds": lasted}


if __name__ == "__main__":
    main()

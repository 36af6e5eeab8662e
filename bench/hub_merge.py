"""The hub: updates merged a second in the core (core/bench/merge_bench.cpp: ten sources that bring
the same market of a thousand symbols), and the way of a quote from a collector's journal over the
hub's process to a reader in a third one, while both look without sleep and while both sleep.

    python bench/hub_merge.py [--messages 2000]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

from journal_core import compiled

from onetape.model.home import hub_journal
from onetape.model.instrument import from_symbol
from onetape.options.collector import collector_journal
from onetape.options.hub import HubOptions, SourceOptions
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.wait import Waiter

SYMBOL = "binance:BTC/USDT:USDT"
UPDATES, ROUNDS = 2_000_000, 3
PAUSE_S = 0.001  # between messages: what sleeps is asleep again
WARM = 200
QUOTE = struct.Struct("<qqqqqqQQ")


def core() -> dict[str, float]:
    program = compiled("merge_bench", ("base", "journal", "market"))
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(program), folder, str(UPDATES), str(ROUNDS)], check=True, capture_output=True, text=True
        )
    return dict(json.loads(done.stdout))


def way(messages: int, spin_s: float) -> float:
    """Median from the collector's append to the reader, in this process between them a writer that
    is this one and a reader of its own, us."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        writer = JournalWriter(collector_journal(home, "ws"), durable=False, heartbeat=True)
        writer.append_instrument(1, time.time_ns(), from_symbol(SYMBOL, tick="0.1", lot="0.001").to_msgpack())
        source = SourceOptions(name="ws", journal=str(writer.path), transport="ws")
        options = HubOptions(home=str(home), sources=[source], filters=True, spin_s=spin_s)
        hub = subprocess.Popen(
            [sys.executable, "-m", "onetape.hub.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert hub.stdin is not None and hub.stdout is not None
        hub.stdin.write(msgspec.json.encode(options))
        hub.stdin.close()
        assert hub.stdout.readline() == b"ready\n"
        reader = subprocess.Popen(
            [sys.executable, __file__, "--read", str(home), "--messages", str(messages), "--spin", str(spin_s)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert reader.stdout is not None
        reader.stdout.readline()
        for n in range(messages + WARM):
            time.sleep(PAUSE_S)
            at = time.time_ns()
            writer.append_raw(2, QUOTE.pack(at, at, 1000 + n % 2, 1010, 1, 1, n + 1, 0), 0, 1, at)
        reported = reader.stdout.read()
        reader.wait()
        hub.terminate()
        hub.wait()
        writer.close()
    return float(reported)


def read(home: Path, messages: int, spin_s: float) -> None:
    """The third process: how late each quote is here, by the time that its collector received it."""
    reader = JournalReader(hub_journal(home))
    waiter = Waiter()
    waiter.add(reader)
    print("ready", flush=True)
    took: list[int] = []
    while len(took) < messages + WARM:
        if not waiter.wait(10.0, spin=spin_s):
            break
        now = time.time_ns()
        while (raw := reader.next_raw()) is not None:
            if raw[0] == 2:
                took.append(now - QUOTE.unpack(raw[5])[1])
    print(statistics.median(took[WARM:]) / 1000)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--read", type=Path)
    parser.add_argument("--spin", type=float, default=0.0)
    chosen = parser.parse_args()
    if chosen.read is not None:
        with contextlib.suppress(KeyboardInterrupt):
            read(chosen.read, chosen.messages, chosen.spin)
        return
    found = core()
    print(json.dumps({"figures": [
        {"name": "hub, updates merged, 10 sources of 1,000 symbols", "value": found["merged_per_second"],
         "unit": "updates/s", "better": "more", "reach": 5e6, "headline": True},
        {"name": "hub, merged and filtered of bad ticks", "value": found["filtered_per_second"],
         "unit": "updates/s", "better": "more"},
        {"name": "hub, from ten journals onto one", "value": found["journals_per_second"],
         "unit": "updates/s", "better": "more"},
        {"name": "hub, collector to reader, spinning, p50", "value": way(chosen.messages, 0.02),
         "unit": "us", "better": "less", "reach": 5},
        {"name": "hub, collector to reader, asleep, p50", "value": way(chosen.messages, 0.0),
         "unit": "us", "better": "less", "reach": 100},
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()

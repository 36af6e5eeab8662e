"""A disk that fills up and has room again, several times, under everything that `up` runs: orders
that add risk are refused with the reason, kill and cancels work, one alert is told, and all
processes run again by themselves; the books are the exchange's.

Two times; with ONETAPE_LONG ten (`make prove WHAT=disk`)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from onetape.clients.gateway import GatewayClient
from onetape.model.errors import DiskFull
from onetape.model.home import gateway_journal
from onetape.notify.alert import Severity, Type
from onetape.notify.past_alerts import past_alerts
from onetape.tape.journal import JournalReader
from worlds.frames import NEWS
from worlds.supervised import ALLOCATE, CONFIG, Home

TIMES = 10 if os.environ.get("ONETAPE_LONG") else 2
SIZE_MB = 64
LEFT_BYTES = 4096

# Asks for a little all the time, so that its journal and the gateway's grow, and cancels.
TRADER = """
from onetape import Strategy


class Maker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        if quote is None:
            return
        working = self.orders(self.symbol)
        if working:
            self.cancel(working[0])
        elif self.position(self.symbol).qty < 0.05:
            self.buy(self.symbol, 0.01)
            self.buy(self.symbol, 0.01, quote.bid - 500)
        else:
            self.sell(self.symbol, 0.01)
"""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()[:80]}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(ballast: Path) -> None:
    """All but a few pages, however often somebody frees some meanwhile."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
        file.truncate(max(0, file.tell() - LEFT_BYTES))


def runs(home: Home) -> bool:
    answer = home.now()
    return answer["running"] and all(p["state"] == "running" for p in answer["processes"])


def test_all_run_again_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Home(disk, CONFIG, TRADER) as home:
        ballast = disk / "ballast"
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(home.fills)
        supervisor = home.process("supervisor")["pid"]
        for _ in range(TIMES):
            before = {a["time"] for a in past_alerts(home.home, 1000)}
            fill(ballast)
            home.wait_for(lambda old=before: _disk_alerts(home, old))
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:  # it stays full, whatever is freed
                fill(ballast)
                time.sleep(0.2)
            assert home.process("supervisor")["pid"] == supervisor
            for name in ("gateway:main", "robot:mm"):  # nor does anything that ends stay away
                if pid := home.process(name)["pid"]:
                    with suppress(ProcessLookupError):  # without room it may end by itself
                        os.kill(pid, signal.SIGKILL)
            fill(ballast)
            home.wait_for(lambda: "room on the disk" in home.process("gateway:main")["reason"])
            ballast.unlink()
            began = time.monotonic()
            home.wait_for(lambda: runs(home))
            print(f"all run again after {time.monotonic() - began:.1f} s")
            many = len(home.fills())
            home.wait_for(lambda n=many: len(home.fills()) > n)  # and trade
            received = [a["severity"] for a in _disk_alerts(home, before)]
            assert received.count(str(Severity.CRITICAL)) == 1, received
        assert home.process("supervisor")["restarts"] == 0
        gateway = GatewayClient(home.home, "main")
        gateway.ask("reconcile")
        home.wait_for(lambda: not gateway.ask("status")["reconciling"])
        assert gateway.ask("status")["differences"] == []
        home.run("down")
        for run in (home.home / "runs").iterdir():
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run


def codes(home: Home) -> set[int]:
    """With which orders were refused."""
    with JournalReader(gateway_journal(home.home, "main")) as reader:
        return {NEWS.unpack(frame.payload)[6] for frame in reader.frames(("order_event",))}


def _disk_alerts(home: Home, before: set[int]) -> list[dict]:
    return [a for a in past_alerts(home.home, 1000) if a["time"] not in before and a["type"] == str(Type.DISK)]


def test_on_a_full_disk_new_orders_are_refused_and_kill_and_cancels_work(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Home(disk, CONFIG, TRADER) as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(home.fills)
        fill(disk / "ballast")
        gateway = GatewayClient(home.home, "main")
        for _ in range(400):  # a quarter of its segment: it asks for the next one, in vain
            gateway.ask("attach", name="x", journal="/nowhere/" + "x" * 4000)
        home.wait_for(lambda: "no room for the journal" in str(past_alerts(home.home, 100)))
        home.wait_for(lambda: DiskFull.code in codes(home))
        assert home.run("send", "gateway:main", "kill", "reason=full")["status"] == "applied"
        home.wait_for(lambda: gateway.ask("status")["open"] == 0)
        assert gateway.ask("status")["killed"] == "full"

"""A home with processes under a real supervisor, for tests."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from onetape.projections.account_views import fills
from onetape.store.config import load_config
from onetape.supervisor.client import status_of
from waiting import wait_for
from worlds.command_lines import command_line

MAKER = """
from onetape import Strategy


class Maker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        # After a pause its timers come at once: it must not do with money what it has not heard of.
        if quote is None or self.orders(self.symbol):
            return
        if self.position(self.symbol).qty < 0.05:
            self.buy(self.symbol, 0.01)
        else:
            self.sell(self.symbol, 0.01)
"""
# It loads and is what it should be: that it fails is seen when it begins.
FAILS_AT_START = MAKER.replace(
    "    def on_start(self):", '    def on_start(self):\n        raise RuntimeError("not today")'
)
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
subaccounts = { a = 2 }
[robots.mm]
strategy = "maker.py"
account = "main"
subaccount = "a"
"""
# Two exchanges with an account each.
TWO_EXCHANGES = """
[venues.binance]
kind = "binance-usdm"
[venues.aster]
kind = "aster"
[accounts.a]
venue = "binance"
[accounts.b]
venue = "aster"
"""
# One exchange with two accounts.
TWO_ACCOUNTS = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[accounts.second]
venue = "x"
"""
# The robot's sub-account has money only once it is given some.
ALLOCATE = ("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")


class Home:
    """A folder with onetape.toml. Whatever a test does, nothing of it runs on afterwards."""

    def __init__(self, folder: Path, config: str = CONFIG, maker: str = MAKER) -> None:
        self.folder = folder
        self.home = folder / ".onetape"
        (folder / "onetape.toml").write_text(config)
        (folder / "maker.py").write_text(maker)

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """kill -9 of all, as if the machine had gone; the supervisor first, so that it starts nothing again."""
        for pid in [p["pid"] for p in self.now()["processes"] if p["pid"]]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def run(self, *arguments: str, code: int = 0):
        got, reported, said = command_line([*arguments, "--json"], self.folder)
        assert got == code, (reported, said, self.log())
        return json.loads(reported)

    def status(self):
        return self.run("status")

    def log(self) -> str:
        path = self.home / "logs" / "system.log"
        return path.read_text() if path.exists() else ""

    def process(self, name: str) -> dict:
        return next(p for p in self.now()["processes"] if p["name"] == name)

    def now(self) -> dict:
        """The status, without a process for each look."""
        return status_of(self.home)

    def wait_for(self, what) -> Any:
        return wait_for(what, lambda: (self.now(), self.log()))

    def fills(self) -> list[dict]:
        return fills(self.home, load_config(self.folder / "onetape.toml", {}))

    def buy(self, symbol: str, qty: str, *words: str) -> Any:
        """By hand. Where a guardian watches nothing is opened before gateways have its lease, nor while a machine keeps
        its heartbeat back."""

        def bought() -> Any:
            code, reported, _ = command_line(["buy", symbol, qty, *words, "--json"], self.folder)
            return None if code else json.loads(reported)

        return self.wait_for(bought)

    def wait_for_trades(self, accounts: int) -> None:
        """Until so many accounts have traded since."""
        before = Counter(fill["account"] for fill in self.fills())
        self.wait_for(lambda: len(Counter(fill["account"] for fill in self.fills()) - before) == accounts)

    def kill(self, name: str, *, before_next: Callable[[], object] | None = None) -> dict:
        """kill -9; returns when another one runs in its place. before_next: what is waited for before that is started:
        its place may else be filled before anybody has looked."""
        before, supervisor = self.process(name), self.process("supervisor")
        if before_next is not None:
            os.kill(supervisor["pid"], signal.SIGSTOP)
        try:
            os.kill(before["pid"], signal.SIGKILL)
            if before_next is not None:
                wait_for(before_next, self.log)
        finally:
            os.kill(supervisor["pid"], signal.SIGCONT)

        def is_back() -> bool:
            now = self.process(name)
            return now["state"] == "running" and now["pid"] != before["pid"]

        self.wait_for(is_back)
        return self.process(name)

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """Stopped until the block ends, and with them their supervisor, which would replace what is silent for long:
        how long a block takes is the machine's matter. Inside it, `status` is not answered."""
        pids = [self.process(name)["pid"] for name in ("supervisor", *names)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(pids):  # who judges heartbeats comes last
                os.kill(pid, signal.SIGCONT)


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False

"""The same with real processes: `up` in a folder of its own, three simulated exchanges behind proxies, and faults.

Processes are killed and frozen, alone and all at once; networks stall, lose answers, are slow and are cut; exchanges
are killed, answer with errors and have wrong clocks. Then everything has to recover, and after `down` the exchanges'
ledgers, the gateways' tapes and the robots' journals have to tell one story, and each run has to be repeated.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.clients.gateway import GatewayClient
from onetape.exchange.options import VenueOptions
from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal
from onetape.model.sections import Config
from onetape.orders.order_frames import fill_of
from onetape.projections.account_views import fills
from onetape.replay.replay import replay_run
from onetape.simulation import trader
from onetape.simulation.invariants import Broken, check
from onetape.simulation.tape_checks import problems
from onetape.simulation.tcp_proxy import Proxy
from onetape.store.config import load_config
from onetape.supervisor.client import bring_down, bring_up, status_of
from onetape.supervisor.restart_rules import STORM_MAX, STORM_S
from onetape.tape.journal import JournalReader

__all__ = ["LEFT_OUT", "ROWS", "RealSystem", "play_real"]

# Which account trades at which exchange, what, how much, and the tick of its prices.
ACCOUNTS: Final = {
    "a": ("binance-usdm", "binance:BTC/USDT:USDT", "0.01", "0.1"),
    "b": ("aster", "aster:BTC/USDT:USDT", "0.01", "0.1"),
    "c": ("bybit", "bybit:BTC/USDT:USDT", "0.01", "0.1"),
}
RECOVERS_WITHIN_S: Final = 90.0  # a stop of unknown outcome takes a minute; the rest thirty seconds
BEGINS_WITHIN_S: Final = 120.0
LOOK_S: Final = 0.1
SUPERVISOR: Final = "supervisor"
# What each fault counts as in docs/reliability.md.
ROWS: Final = {
    "a process killed": "P01",
    "a process frozen": "P10",
    "the supervisor killed": "P04",
    "everything killed": "P08",
    "an exchange killed": "R21",
    "a network stalls": "N02",
    "a network is slow": "N07",
    "answers are lost": "N05",
    "connections are cut": "N03",
    "an exchange answers with errors": "R03",
    "an exchange's clock is wrong": "C03",
}
# What this machine would have to have.
LEFT_OUT: Final = {
    "a full disk": "needs a file system of its own: `make prove WHAT=disk` in the clone",
    "a step of this machine's clock": "needs libfaketime or a virtual machine",
}
ERRORS: Final = {"action": "error", "path": "*", "status": 503, "body": "Service Unavailable", "probability": 0.5}
MODES: Final = {
    "a network stalls": "stall",
    "a network is slow": "slow",
    "answers are lost": "deaf",
    "connections are cut": "cut",
}


class SimulatedExchange:
    """The process of an exchange, with a proxy before it. It keeps its state, and its port, over kills."""

    def __init__(self, folder: Path, kind: str, seed: int) -> None:
        self._options = VenueOptions(
            kind=kind, seed=seed, state=str(folder / f"exchange-{kind}"), limits=False, control=0
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.begin()
        self.account = self.ready["accounts"][0]
        self.proxy = Proxy(self._options.port)

    def begin(self) -> None:
        """Starts it, at the port that it had."""
        command = [sys.executable, "-m", "onetape.exchange.main"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(self._options))
        self._process.stdin.close()
        line = self._process.stdout.readline()
        check(bool(line), f"the exchange {self._options.kind} did not start")
        self.ready: dict[str, Any] = json.loads(line)
        self._options = msgspec.structs.replace(self._options, port=int(self.ready["rest"].rpartition(":")[2]))

    def end(self) -> None:
        """kill -9."""
        assert self._process is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def request(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a request to its control endpoint."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - of a process of ours
            self.ready["control"] + path, data=content, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def ledger(self) -> dict[str, Any]:
        """Returns the account's positions, orders and trades, as the exchange has them."""
        found: dict[str, Any] = self.request(f"/state?account={self.account['name']}")["accounts"][0]
        return found


class RealSystem:
    """A folder with everything in it. Leave it with `close`."""

    def __init__(self, seed: int, folder: Path | None = None) -> None:
        self.random = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-")) if folder is None else folder
        self._is_ours = folder is None
        self.home = self.folder / ".onetape"
        self.seen: Counter[str] = Counter()
        self.kills = 0
        self._killed: dict[str, deque[float]] = {}
        self._stack = ExitStack()
        self.exchanges = {name: SimulatedExchange(self.folder, ACCOUNTS[name][0], seed) for name in ACCOUNTS}
        for each in self.exchanges.values():
            self._stack.enter_context(each.proxy)
        self._write()

    def _write(self) -> None:
        lines = ["[guardian]", "[recorder]"]
        for name, (kind, symbol, qty, tick) in ACCOUNTS.items():
            each = self.exchanges[name]
            for what in ("key", "secret"):
                file = self.folder / f"{name}.{what}"
                file.touch(mode=0o600)
                file.write_text(each.account[what])
            lines += [
                f"[venues.{name}]",
                f'kind = "{kind}"\nmode = "sim"\nrest = "http://127.0.0.1:{each.proxy.port}"',
                f"[accounts.{name}]",
                f'venue = "{name}"\nkey = "file:{name}.key"\nsecret = "file:{name}.secret"',
                f"[robots.{name}]",
                f'strategy = "trader.py"\naccount = "{name}"',
                f'params = {{ symbol = "{symbol}", qty = {qty}, tick = {tick} }}',
            ]
        (self.folder / "onetape.toml").write_text("\n".join(lines) + "\n")
        shutil.copy(trader.__file__, self.folder / "trader.py")

    @property
    def config(self) -> Config:
        return load_config(self.folder / "onetape.toml", {})

    def up(self) -> None:
        """`onetape up`."""
        bring_up(self.config, self.folder / "onetape.toml", self.home)

    def close(self) -> None:
        """Ends whatever runs, and removes the folder."""
        with suppress(OnetapeError, OSError):
            for process in self.processes().values():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        for each in self.exchanges.values():
            each.end()
        self._stack.close()
        if self._is_ours:
            shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> dict[str, int]:
        """Returns the process ids by name."""
        return {each["name"]: each["pid"] for each in status_of(self.home)["processes"] if each["pid"]}

    # --- faults -----------------------------------------------------------------------------------

    def fail_once(self) -> None:
        """One fault, and some time after it."""
        what = self.random.choice(list(ROWS))
        act: dict[str, Callable[[], bool]] = {
            "a process killed": self._kill_one,
            "a process frozen": self._freeze_one,
            "the supervisor killed": self._kill_supervisor,
            "everything killed": self._kill_all,
            "an exchange killed": self._kill_exchange,
            "an exchange answers with errors": self._errors,
            "an exchange's clock is wrong": self._skew,
        }
        done = act[what]() if what in act else self._network(MODES[what])
        if done:
            self.seen[what] += 1
        time.sleep(self.random.uniform(0.1, 2.0))

    def _may_die(self, name: str) -> bool:
        """Tells whether another end within a minute would not yet be the last one."""
        ends, now = self._killed.setdefault(name, deque()), time.monotonic()
        while ends and ends[0] < now - STORM_S:
            ends.popleft()
        return len(ends) < STORM_MAX - 3

    def _kill(self, name: str, pid: int) -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._killed.setdefault(name, deque()).append(time.monotonic())
            self.kills += 1
            return True
        return False

    def _kill_one(self) -> bool:
        there = {name: pid for name, pid in self.processes().items() if name != SUPERVISOR and self._may_die(name)}
        if not there:
            return False
        name = self.random.choice(sorted(there))
        return self._kill(name, there[name])

    def _kill_supervisor(self) -> bool:
        there = self.processes()
        done = SUPERVISOR in there and self._kill(SUPERVISOR, there[SUPERVISOR])
        self._wait(lambda: not _is_there(there.get(SUPERVISOR, 0)), BEGINS_WITHIN_S, "the supervisor does not end")
        self.up()
        return done

    def _kill_all(self) -> bool:
        there = self.processes()
        if not all(self._may_die(name) for name in there):
            return False
        for name in sorted(there, key=lambda each: each != SUPERVISOR):  # it would start the others again
            self._kill(name, there[name])
        self._wait(lambda: not any(map(_is_there, there.values())), BEGINS_WITHIN_S, "killed processes stay")
        self.up()
        return True

    def _freeze_one(self) -> bool:
        there = self.processes()
        if not there:
            return False
        pid = there[self.random.choice(sorted(there))]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(self.random.uniform(0.2, 4.0))
            finally:
                os.kill(pid, signal.SIGCONT)
            return True
        return False

    def _network(self, mode: str) -> bool:
        chosen = self.random.sample(list(self.exchanges.values()), self.random.choice((1, 1, 3)))
        for each in chosen:
            each.proxy.set(mode)
        time.sleep(self.random.uniform(0.5, 6.0))
        for each in chosen:
            each.proxy.set("pass")
        return True

    def _kill_exchange(self) -> bool:
        exchange = self.random.choice(list(self.exchanges.values()))
        exchange.end()
        time.sleep(self.random.uniform(0.1, 3.0))
        exchange.begin()
        self.kills += 1
        return True

    def _errors(self) -> bool:
        exchange = self.random.choice(list(self.exchanges.values()))
        exchange.request("/faults", {"fault": [ERRORS], "clear": True})
        time.sleep(self.random.uniform(0.5, 4.0))
        exchange.request("/faults", {"fault": [], "clear": True})
        return True

    def _skew(self) -> bool:
        exchange = self.random.choice(list(self.exchanges.values()))
        exchange.request("/time", {"offset": self.random.choice(("-10s", "-2s", "2s", "10s"))})
        time.sleep(self.random.uniform(1.0, 5.0))
        exchange.request("/time", {"offset": "0s"})
        return True

    # --- what must hold ---------------------------------------------------------------------------

    def _wait(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise Broken(f"{what} within {seconds:.0f} s: {self._status()}")
            time.sleep(LOOK_S)

    def _status(self) -> dict[str, Any]:
        found: dict[str, Any] = {each["name"]: each["state"] for each in status_of(self.home)["processes"]}
        for name in ACCOUNTS:
            with suppress(OnetapeError):
                status = GatewayClient(self.home, name).ask("status")
                found |= {name: {key: status.get(key) for key in ("ready", "unknown", "differences")}}
        return found

    def is_well(self) -> bool:
        """Tells whether all processes run, all gateways take orders, and no order is unknown."""
        answer = status_of(self.home)
        if not answer["running"] or any(each["state"] != "running" for each in answer["processes"]):
            return False
        try:
            states = [GatewayClient(self.home, name).ask("status") for name in ACCOUNTS]
        except OnetapeError:
            return False
        return all(each["ready"] and not each["unknown"] and not each["differences"] for each in states)

    def booked(self) -> int:
        """Returns the number of fills on the gateways' tapes."""
        return sum(_fills(gateway_journal(self.home, name)).total() for name in ACCOUNTS)

    def recover(self) -> None:
        """Waits until all is well, and all robots have traded since."""
        self._wait(self.is_well, RECOVERS_WITHIN_S, "not recovered")
        for name in ACCOUNTS:
            self._wait_for_fills(name)

    def _wait_for_fills(self, name: str) -> None:
        tape = gateway_journal(self.home, name)
        before = _fills(tape).total()
        self._wait(lambda: _fills(tape).total() > before, BEGINS_WITHIN_S, f"account {name} does not trade")

    def end(self) -> None:
        """`onetape down`; then everything is compared."""
        bring_down(self.home)
        self.compare()

    def compare(self) -> None:
        """Holds tapes, robots and exchanges to one story, now that nothing runs."""
        rows = fills(self.home, self.config)
        for name, exchange in self.exchanges.items():
            ledger = exchange.ledger()
            # A position keeps its stops.
            working = [each["client_id"] for each in ledger["orders"] if each["open"] and not Decimal(each["trigger"])]
            check(not working, f"{name}: {working} work on")
            there = Counter((t["symbol"], t["side"], Decimal(t["price"]), Decimal(t["size"])) for t in ledger["trades"])
            ours = Counter(
                (row["symbol"], row["side"], Decimal(row["price"]), Decimal(row["qty"]))
                for row in rows
                if row["account"] == name
            )
            check(ours == there, f"{name}: the tape has {ours - there} more and {there - ours} fewer fills")
            check(not (found := problems(gateway_journal(self.home, name))), f"{name}: {found}")
        for run in sorted((self.home / "runs").iterdir()):
            answer = replay_run(run, verify=True)
            check(not answer["divergences"], f"{run.name} decides otherwise: {answer}")


def _is_there(pid: int) -> bool:
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _fills(tape: Path) -> Counter[int]:
    try:
        with JournalReader(tape) as reader:
            return Counter(fill_of(frame.payload).trade_id for frame in reader.frames(("fill",)))
    except OnetapeError:
        return Counter()


def play_real(seed: int, minutes: float, heard: Callable[[float], None] = lambda _done: None) -> dict[str, Any]:
    """Fails a system of real processes for so long. Returns the contract's keys. heard: called with the share done."""
    failure, booked = "", 0
    system = RealSystem(seed)
    began = time.monotonic()
    try:
        system.up()
        system.recover()
        until = time.monotonic() + 60 * minutes
        while (now := time.monotonic()) < until:
            heard(1 - (until - now) / (60 * minutes))
            system.fail_once()
        system.recover()
        booked = system.booked()
        system.end()
    except (AssertionError, OnetapeError) as error:
        failure = f"{type(error).__name__}: {error}"
    finally:
        system.close()
    replay = f"onetape chaos --real --seed {seed} --minutes {minutes:g}"
    return {
        "seeds": 1,
        "hours": round((time.monotonic() - began) / 3600, 4),
        "speed": 1.0,
        "failures": [{"seed": seed, "invariant": failure, "replay": replay}] if failure else [],
        "faults": {row: sum(system.seen[name] for name, each in ROWS.items() if each == row) for row in ROWS.values()},
        "hashes": {},
        "kills": system.kills,
        "fills": booked,
        "left_out": dict(LEFT_OUT),
    }

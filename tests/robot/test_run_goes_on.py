"""A robot that is killed goes on in its run: what it knows of itself, what its run has on record,
and that all of it is repeated to the last action. Real processes; kills come at fixed points, from
inside the strategy."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from long_form import long_form
from onetape.engine.incarnations import incarnations_of
from onetape.ipc.operator import robots_now
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from worlds.frames import FILL
from worlds.supervised import CONFIG, Home

ALLOCATE = ("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")

# Buys once in each life, then says what it finds; `die` says at which point it kills itself.
KEEPER = """
import os
import signal
from pathlib import Path

from onetape import Strategy

SYMBOL = "binance:BTC/USDT:USDT"


class Keeper(Strategy):
    symbol: str = SYMBOL
    die: str = "on_fill"
    epochs: int = 2
    marks: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")
        self.memory["starts"] = self.memory.get("starts", 0) + 1
        self.done = False
        self.seen = getattr(self, "seen", 0) + 1
        self.log(
            "started", starts=self.memory["starts"], resumed=self.resumed, seen=self.seen,
            qty=self.position(self.symbol).qty, working=len(self.orders(self.symbol)),
            draw=self.random.random(),
        )

    def at(self, point):
        starts = self.memory["starts"]
        mark = Path(self.marks) / str(starts)
        if self.die == point and starts < self.epochs and not mark.exists():
            mark.touch()  # once only: when it is repeated it lives on
            os.kill(os.getpid(), signal.SIGKILL)

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        if quote is None or self.done:
            return
        self.done = True
        self.buy(self.symbol, 0.01, tag="own")
        self.buy(self.symbol, 0.02, quote.bid - 2000, post_only=True, tag="rests")
        self.at("before its orders leave")

    def on_order(self, order):
        if str(order.state) == "DENIED":  # its sub-account has nothing yet
            self.done = False
        if order.tag == "rests" and str(order.state) == "ACCEPTED":
            self.at("on_order")

    def on_fill(self, fill):
        self.memory["bought"] = self.memory.get("bought", 0) + 1
        self.at("on_fill")

    def on_quote(self, quote):
        if self.done and self.position(self.symbol).qty > 0:
            self.at("on_quote")
"""


def config(folder: Path, die: str, epochs: int = 2, restart: str = "memory") -> str:
    params = f'die = "{die}", epochs = {epochs}, marks = "{folder}"'
    return CONFIG + f'restart = "{restart}"\nparams = {{ {params} }}\n'


def started(run: Path) -> list[dict]:
    """What each life said of itself."""
    with JournalReader(run / "journal") as reader:
        received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("log",))]
    return [each["fields"] for each in received if each["text"] == "started"]


def fills_of(path: Path, robot: int) -> list[tuple]:
    """(order, trade, price, size) on a tape."""
    with JournalReader(path) as reader:
        rows = [FILL.unpack_from(f.payload) for f in reader.frames(("fill",))]
    return [(r[0], r[2], r[4], r[5]) for r in rows if r[11] == robot]


def the_run(home: Home) -> Path:
    (run,) = (home.home / "runs").iterdir()
    return run


def over_restarts(home: Home, epochs: int) -> Path:
    home.run("up")
    assert home.run(*ALLOCATE)["status"] == "applied"

    def is_there() -> bool:
        runs = list((home.home / "runs").glob("*/run.toml"))
        return bool(runs) and len(started(runs[0].parent)) >= epochs

    home.wait_for(is_there)
    home.wait_for(lambda: home.process("robot:mm")["state"] == "running")
    return the_run(home)


POINTS = [("on_fill", 3), ("before its orders leave", 2), *long_form(("on_order", 2), ("on_quote", 2))]


@pytest.mark.parametrize(("die", "count"), POINTS)
def test_a_killed_robot_goes_on_in_its_run(tmp_path: Path, die: str, count: int) -> None:
    with Home(tmp_path, config(tmp_path, die, count), KEEPER) as home:
        run = over_restarts(home, count)
        # While it runs: what it has done by now is repeated.
        assert tomllib.loads((run / "run.toml").read_text())["state"]["now"] == "running"
        assert home.run("replay", str(run), "--verify")["divergences"] == 0
        # What it shows is since the run began, too: what was allocated meanwhile is no profit.
        booked = lambda: len(fills_of(gateway_journal(home.home, "main"), 1))  # noqa: E731
        home.wait_for(
            lambda: (
                robots_now(home.home)["robot:mm"]["fills"] == booked() >= (1 if die == "before its orders leave" else 2)
            )
        )
        assert abs(Decimal(robots_now(home.home)["robot:mm"]["profit"])) < 1000
        home.run("down")
        assert the_run(home) == run
        facts = tomllib.loads((run / "run.toml").read_text())
        assert facts["state"]["now"] == "stopped"
        second = home.run("replay", str(run), "--verify")
        assert second["divergences"] == 0, second
        reported = started(run)
        assert [each["starts"] for each in reported] == list(range(1, count + 1))
        assert [each["resumed"] for each in reported] == [False] + [True] * (count - 1)
        assert {each["seen"] for each in reported} == {1}  # attributes are fresh
        assert len({each["draw"] for each in reported}) == count
        assert {each["working"] for each in reported} == {0}  # canceled before it began again
        # All fills of the account are the robot's, and on its run's tape once each.
        tape = gateway_journal(home.home, "main")
        fills = fills_of(tape, 1)
        assert sorted(fills_of(run / "journal", 1)) == sorted(fills)
        epochs = incarnations_of(run / "journal")
        assert [life.number for life in epochs] == list(range(1, count + 1))
        assert [life.has_ended for life in epochs] == [False] * (count - 1) + [True]
        if die in ("on_fill", "on_quote"):  # its position is what it bought
            assert 0 < reported[1]["qty"] <= reported[-1]["qty"]
        assert facts["result"]["fills"] == len(fills)
        # What was allocated after its first life began is no profit.
        assert Decimal(facts["result"]["pnl"]) == Decimal(facts["result"]["final_equity"]) - 20000
        assert facts["stats"]["pnl"] == pytest.approx(float(facts["result"]["pnl"]))
        assert abs(facts["stats"]["return"]) < 0.1
        assert facts["stats"]["max_drawdown"] < 0.1
        assert facts["result"]["action_hash"] == second["action_hash"]
        held = sum(Decimal(fill["qty"]) for fill in home.fills())
        found = home.run("positions")
        assert sum(Decimal(each["qty"]) for each in found) == held


@pytest.mark.parametrize(("restart", "starts", "seen"), [("replay", 2, 2), *long_form(("fresh", 1, 1))])
def test_what_a_robot_begins_again_with_is_its_restart_policy(
    tmp_path: Path, restart: str, starts: int, seen: int
) -> None:
    with Home(tmp_path, config(tmp_path, "on_fill", restart=restart), KEEPER) as home:
        run = over_restarts(home, 2)
        home.run("down")
        first, second = started(run)[:2]
        assert (first["starts"], first["seen"], first["resumed"]) == (1, 1, False)
        assert (second["starts"], second["seen"], second["resumed"]) == (starts, seen, True)
        assert second["qty"] > 0
        assert home.run("replay", str(run), "--verify")["divergences"] == 0


NEW = KEEPER.replace('"started"', '"started", version=2')


def test_new_code_takes_over_what_the_old_holds_and_gives_it_back(tmp_path: Path) -> None:
    with Home(tmp_path, config(tmp_path, "never"), KEEPER) as home:
        home.run("up")
        assert home.run(*ALLOCATE)["status"] == "applied"
        home.wait_for(home.fills)
        # Asked to restart with the same code: the run goes on.
        home.run("restart", "robot:mm")
        first = the_run(home)
        assert len(incarnations_of(first / "journal")) == 2
        held = sum(Decimal(fill["qty"]) for fill in home.fills())
        # New code: a new run, with the position and the memory of the old one.
        (tmp_path / "maker.py").write_text(NEW)
        home.run("restart", "robot:mm")
        second = next(run for run in (home.home / "runs").iterdir() if run != first)
        (reported,) = started(second)
        assert (reported["version"], reported["resumed"], reported["starts"]) == (2, True, 3)
        assert Decimal(str(reported["qty"])) >= held > 0
        assert tomllib.loads((second / "run.toml").read_text())["state"]["after"] == first.name
        # Code that does not start: the robot stays away, what it holds stays, and the old code,
        # which its run has kept, takes over again.
        (tmp_path / "maker.py").write_text(KEEPER.replace("self.set_timer(", "self.no_timer("))
        error = home.run("restart", "robot:mm", code=6)["error"]
        assert "no_timer" in error["message"]
        (tmp_path / "maker.py").write_text((first / "source" / "maker.py").read_text())
        assert home.run("restart", "robot:mm")["state"] == "running"
        home.run("down")
        runs = sorted((home.home / "runs").iterdir(), key=lambda run: incarnations_of(run / "journal")[0].start)
        last = started(runs[-1])[0]
        assert "version" not in last
        assert (last["resumed"], last["starts"]) == (True, 4)
        assert Decimal(str(last["qty"])) >= held
        for run in runs:
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run


ROUND_TRIPS = """
from onetape import Strategy


class Trips(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    trips: int = 3

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="200ms")

    def on_timer(self, name):
        if self.orders():
            return
        if self.position(self.symbol).qty:
            self.close(self.symbol)
        elif self.memory.get("trips", 0) < self.trips:
            self.memory["trips"] = self.memory.get("trips", 0) + 1
            self.buy(self.symbol, 0.05)
"""
SHARED_MONEY = """
[recorder]
[venues.binance]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "binance"
[robots.one]
strategy = "maker.py"
account = "main"
[robots.two]
strategy = "maker.py"
account = "main"
params = { symbol = "binance:ETH/USDT:USDT", trips = 5 }
"""


def test_what_others_make_with_the_same_money_is_no_profit_of_a_restarted_robot(tmp_path: Path) -> None:
    with Home(tmp_path, SHARED_MONEY, ROUND_TRIPS) as home:
        home.run("up")
        home.wait_for(lambda: len(home.run("trips")) == 8)
        home.run("restart", "robot:one")
        home.run("down")
        runs = [tomllib.loads((run / "run.toml").read_text()) for run in (home.home / "runs").iterdir()]
        made = sorted(Decimal(run["result"]["pnl"]) for run in runs)
        assert made == sorted(Decimal(row["net"]) for row in home.run("ledger", "--by", "symbol"))

"""A robot that is killed goes on in its run: what it knows of itself, what its run has on record,
and that all of it is repeated to the last action. Real processes; kills come at fixed points, from
inside the strategy."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from supervised import CONFIG, Home

from onetape.engine.lives import lives_of
from onetape.services.gateway_journal import FILL
from onetape.services.gateway_options import gateway_journal
from onetape.tape.journal import JournalReader

ALLOCATE = (
    "send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2",
)  # fmt: skip

# Buys once in each life, then says what it finds; `die` says at which point it kills itself.
KEEPER = """
import os
import signal
import sys

from onetape import Strategy

LIVE = "robot_main" in str(sys.modules["__main__"].__spec__)  # else it is repeated
SYMBOL = "binance:BTC/USDT:USDT"


class Keeper(Strategy):
    symbol: str = SYMBOL
    die: str = "on_fill"
    lives: int = 3

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
        if LIVE and self.die == point and self.memory["starts"] < self.lives:
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


def config(die: str, restart: str = "memory", account: str = "") -> str:
    text = CONFIG.replace('venue = "x"\n', f'venue = "x"\n{account}')
    return text + f'restart = "{restart}"\nparams = {{ die = "{die}" }}\n'


def started(run: Path) -> list[dict]:
    """What each life said of itself."""
    with JournalReader(run / "journal") as reader:
        told = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("log",))]
    return [each["fields"] for each in told if each["text"] == "started"]


def fills_of(path: Path, robot: int) -> list[tuple]:
    """(order, trade, price, size) on a tape."""
    with JournalReader(path) as reader:
        rows = [FILL.unpack_from(f.payload) for f in reader.frames(("fill",))]
    return [(r[0], r[2], r[4], r[5]) for r in rows if r[11] == robot]


def the_run(home: Home) -> Path:
    (run,) = (home.home / "runs").iterdir()
    return run


def through_lives(home: Home, lives: int = 3) -> Path:
    home.run("up")
    assert home.run(*ALLOCATE)["status"] == "applied"

    def is_there() -> bool:
        runs = list((home.home / "runs").glob("*/run.toml"))
        return bool(runs) and len(started(runs[0].parent)) >= lives

    home.wait_for(is_there)
    home.wait_for(lambda: home.process("robot:mm")["state"] == "running")
    return the_run(home)


@pytest.mark.parametrize("die", ["on_fill", "on_order", "on_quote", "before its orders leave"])
def test_a_killed_robot_goes_on_in_its_run(tmp_path: Path, die: str) -> None:
    with Home(tmp_path, config(die), KEEPER) as home:
        run = through_lives(home)
        # While it runs: what it has done by now is repeated.
        assert tomllib.loads((run / "run.toml").read_text())["state"]["now"] == "running"
        assert home.run("replay", str(run), "--verify")["divergences"] == 0
        home.run("down")
        assert the_run(home) == run
        assert tomllib.loads((run / "run.toml").read_text())["state"]["now"] == "stopped"
        again = home.run("replay", str(run), "--verify")
        assert again["divergences"] == 0, again
        told = started(run)
        assert [each["starts"] for each in told] == [1, 2, 3]
        assert [each["resumed"] for each in told] == [False, True, True]
        assert [each["seen"] for each in told] == [1, 1, 1]  # attributes are fresh
        assert len({each["draw"] for each in told}) == 3
        assert [each["working"] for each in told] == [0, 0, 0]  # canceled before it began again
        # All fills of the account are the robot's, and on its run's tape once each.
        tape = gateway_journal(home.home, "main")
        assert sorted(fills_of(run / "journal", 1)) == sorted(fills_of(tape, 1))
        held = sum(Decimal(f["qty"]) for f in home.fills())
        lives = lives_of(run / "journal")
        assert [life.number for life in lives] == [1, 2, 3]
        assert [life.has_ended for life in lives] == [False, False, True]
        if die in ("on_fill", "on_quote"):
            assert Decimal(str(told[2]["qty"])) > Decimal(str(told[1]["qty"])) > 0
        result = tomllib.loads((run / "run.toml").read_text())["result"]
        assert result["fills"] == len(fills_of(tape, 1))
        (position,) = home.run("positions") or [{"qty": "0"}]
        assert Decimal(position["qty"]) == held
        assert result["action_hash"] == again["action_hash"]

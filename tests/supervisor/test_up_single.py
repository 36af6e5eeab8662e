"""`onetape up --single`: the same configuration in one process. Commands, kills, `down` and replays
are as with processes, and a supervisor finds again whichever way it was."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from pathlib import Path

from worlds.supervised import CONFIG, FAILS_AT_START, MAKER, Home, is_there

ALLOCATE = ("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
TWO = (
    CONFIG
    + """
[robots.other]
strategy = "maker.py"
account = "main"
params = { symbol = "binance:BTC/USDT:USDT" }
"""
)
PARTS = ["venue:x", "gateway:main", "robot:mm", "robot:other"]


def pids(home: Home) -> dict[str, int]:
    return {p["name"]: p["pid"] for p in home.now()["processes"]}


def traded(home: Home, robot: str) -> int:
    return sum(fill["robot"] == robot for fill in home.fills())


def test_all_of_it_in_one_process(tmp_path: Path) -> None:
    with Home(tmp_path, TWO) as home:
        up = home.run("up", "--single")
        assert [p["name"] for p in up["processes"]] == ["supervisor", *PARTS]
        assert {p["state"] for p in up["processes"]} == {"running"}
        first = pids(home)
        assert len({first[name] for name in PARTS}) == 1
        assert home.run("up")["already"] is True
        assert home.run(*ALLOCATE)["status"] == "applied"
        home.wait_for(lambda: traded(home, "mm") and traded(home, "other"))
        shown = home.process("robot:mm")
        assert shown["heartbeat_age_ms"] is not None
        assert shown["lag"] is not None
        # Robots are commanded one by one.
        assert home.run("send", "robot:mm", "stop")["status"] == "applied"
        assert home.run("send", "robot:mm", "status")["result"]["strategies"][0]["status"] == ("stopped")
        many = traded(home, "other")
        home.wait_for(lambda: traded(home, "other") > many)
        assert home.run("send", "robot:mm", "start")["status"] == "applied"
        answer = home.run("send", "supervisor", "add_robot", "name=x", "strategy=maker.py", code=1)
        assert answer["error"]["name"] == "NOT_AVAILABLE"

        # Killed, all of it comes back, and trades on in the same runs.
        os.kill(first["venue:x"], signal.SIGKILL)
        home.wait_for(
            lambda: (
                all(p["state"] == "running" for p in home.now()["processes"])
                and pids(home)["venue:x"] != first["venue:x"]
            )
        )
        assert home.process("robot:mm")["restarts"] == 1
        assert len(list((home.home / "runs").iterdir())) == 2
        # Its supervisor is killed, and the next one finds it as it was.
        before = pids(home)
        os.kill(before["supervisor"], signal.SIGKILL)
        home.wait_for(lambda: not is_there(before["supervisor"]))
        home.run("up")
        assert pids(home)["robot:mm"] == before["robot:mm"]
        many = {name: traded(home, name) for name in ("mm", "other")}
        home.wait_for(lambda: all(traded(home, name) > n for name, n in many.items()))
        # One of them is asked to restart: all do.
        assert home.run("restart", "robot:mm")["state"] == "running"
        assert pids(home)["venue:x"] != before["venue:x"]

        home.run("down")
        assert not is_there(before["robot:mm"])
        assert home.run("status")["orders"] == 0
        held = sum(Decimal(f["qty"]) * (1 if f["side"] == "buy" else -1) for f in home.fills())
        assert sum(Decimal(each["qty"]) for each in home.run("positions")) == held
        for run in (home.home / "runs").iterdir():
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run
        # The same home, in processes.
        assert len(set({p["pid"] for p in home.run("up")["processes"]})) == 5
        home.run("down")


def test_what_cannot_start_is_named_and_the_rest_runs(tmp_path: Path) -> None:
    bad = '[robots.bad]\nstrategy = "bad.py"\naccount = "main"\n'
    with Home(tmp_path, TWO + bad, MAKER) as home:
        (tmp_path / "bad.py").write_text(FAILS_AT_START)
        answer = home.run("up", "--single", code=6)["error"]
        assert "robot:bad failed" in answer["message"]
        assert "not today" in answer["message"]
        states = {p["name"]: p["state"] for p in home.now()["processes"]}
        assert {name for name, state in states.items() if state == "running"} == {"supervisor", *PARTS}
        home.wait_for(lambda: traded(home, "other"))
        home.run("down")

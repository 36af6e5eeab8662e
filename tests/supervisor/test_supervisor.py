"""`onetape up` as its users start it: every process killed, the supervisor too, and all of it back;
a configuration that cannot work; nothing left after `down`."""

from __future__ import annotations

import json
import os
import signal
import stat
from decimal import Decimal
from pathlib import Path

import msgspec

from onetape.security.tokens import read_token
from onetape.supervisor.options import supervisor_journal
from onetape.tape.journal import JournalReader
from worlds.supervised import ALLOCATE, CONFIG, FAILS_AT_START, MAKER, Home, is_there

ALL = ["supervisor", "venue:x", "gateway:main", "robot:mm"]


def test_each_process_is_killed_and_comes_back_and_down_leaves_nothing(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        answer = home.status()
        assert (answer["running"], answer["processes"], answer["orders"]) == (False, [], 0)
        up = home.run("up")
        assert [p["name"] for p in up["processes"]] == ALL
        assert {p["state"] for p in up["processes"]} == {"running"}
        assert up["already"] is False
        second = home.run("up")
        assert second["already"] is True
        assert [p["pid"] for p in second["processes"]] == [p["pid"] for p in up["processes"]]
        tokens = [read_token(home.home, name) for name in ("a", "mm")]

        # Its sub-account has nothing yet.
        assert home.run(*ALLOCATE)["status"] == "applied"
        home.wait_for(home.fills)
        seen = {p["name"]: p["pid"] for p in up["processes"]}
        robot = home.kill("robot:mm")
        assert robot["restarts"] == 1
        gateway = home.kill("gateway:main")
        venue = home.kill("venue:x")
        assert (gateway["restarts"], venue["restarts"]) == (1, 1)
        # Those that did not die did not notice.
        assert home.process("robot:mm")["pid"] == robot["pid"]
        assert home.process("gateway:main")["pid"] == gateway["pid"]

        # The supervisor dies: the rest runs on, and the next one takes it over.
        before = {p["name"]: p["pid"] for p in home.now()["processes"]}
        os.kill(before["supervisor"], signal.SIGKILL)
        home.wait_for(lambda: not is_there(before["supervisor"]))
        left = home.now()
        assert left["running"] is False
        assert {p["name"]: p["pid"] for p in left["processes"]} == {name: before[name] for name in ALL[1:]}
        repeated = {p["name"]: p for p in home.run("up")["processes"]}
        for name in ALL[1:]:
            assert (repeated[name]["pid"], repeated[name]["restarts"]) == (before[name], 1)
        assert repeated["supervisor"]["pid"] != before["supervisor"]
        # A process that is there and does nothing is replaced.
        stuck = repeated["robot:mm"]["pid"]
        os.kill(stuck, signal.SIGSTOP)
        home.wait_for(lambda: home.process("robot:mm")["restarts"] == 2)
        home.wait_for(lambda: home.process("robot:mm")["state"] == "running")
        assert not is_there(stuck)
        assert "no heartbeat" in home.log()

        # It trades, also after all of this.
        many = len(home.fills())
        home.wait_for(lambda: len(home.fills()) > many)
        fill = home.run("fills", "--last", "1")[0]
        assert fill["symbol"] == "binance:BTC/USDT:USDT"
        assert (fill["account"], fill["robot"]) == ("main", "mm")
        assert 0 < Decimal(fill["qty"]) <= Decimal("0.01")  # as much as stood there
        rows = {row["currency"]: row for row in home.run("accounts")}
        assert rows["USDT"]["alive"] is True
        assert Decimal(rows["USDT"]["total"]) > 90_000
        assert Decimal(rows["USDT"]["subaccounts"]["a"]["total"]) > 10_000
        assert [read_token(home.home, name) for name in ("a", "mm")] == tokens

        back = home.run("restart", "robot:mm")
        assert back["pid"] != repeated["robot:mm"]["pid"]
        assert back["restarts"] == 3

        pids = [p["pid"] for p in home.now()["processes"]] + list(seen.values())
        stopped = home.run("down")
        assert set(stopped["stopped"]) == set(ALL)
        assert [pid for pid in pids if is_there(pid)] == []
        answer = home.status()
        assert answer["running"] is False
        assert answer["orders"] == 0
        assert home.run("down")["stopped"] == []
        # What was bought and sold is what is held.
        held = sum(Decimal(f["qty"]) * (1 if f["side"] == "buy" else -1) for f in home.fills())
        (position,) = home.run("positions")
        assert (Decimal(position["qty"]), position["alive"]) == (held, False)
        if held:  # the market has not gone far
            assert abs(Decimal(position["unrealized"])) < 1000
        check_files(home)


def check_files(home: Home) -> None:
    """Private, and readable as they should be."""
    for line in home.log().splitlines():
        assert set(json.loads(line)) == {"time", "level", "process", "text"}
    for path in home.home.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == 0, (path, oct(mode))
    with JournalReader(supervisor_journal(home.home)) as reader:
        received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("health",))]
    last = {t["subject"]: t["state"] for t in received if t["kind"] == "process"}
    assert last == dict.fromkeys(ALL[1:], "stopped")
    secret = json.loads((home.home / "run" / "venue-x.ready").read_text())["accounts"][0]["secret"]
    for name in ("supervisor", "gateway-main"):
        for segment in (home.home / "journal" / name).glob("*.tape"):
            assert secret.encode() not in segment.read_bytes()
    assert secret not in home.log()


POISON = (
    CONFIG
    + """
[robots.gone]
strategy = "nowhere.py"
account = "main"
[robots.bad]
strategy = "bad.py"
account = "main"
params = { symbol = "binance:BTC/USDT:USDT" }
"""
)
CLOSED = """
[accounts.closed]
venue = "live"
[venues.live]
kind = "binance-usdm"
mode = "live"
"""


def test_what_cannot_work_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with Home(tmp_path, POISON + CLOSED) as home:
        (tmp_path / "bad.py").write_text("raise RuntimeError('not today')\n")
        answer = home.run("up", code=2)["error"]
        assert answer["name"] == "BAD_CONFIG"
        for words in ("robot gone: no strategy file", "robot bad:", "not today", "account closed"):
            assert words in answer["message"]
        lines = (POISON + CLOSED).splitlines()
        assert f"onetape.toml:{lines.index('[venues.live]') + 1}" in answer["message"]
        status = home.status()
        assert (status["running"], status["processes"]) == (False, [])


def test_what_fails_later_is_named_and_harms_nobody_else(tmp_path: Path) -> None:
    with Home(tmp_path, POISON) as home:
        (tmp_path / "nowhere.py").write_text(MAKER)
        (tmp_path / "bad.py").write_text(FAILS_AT_START)
        answer = home.run("up", code=6)["error"]
        assert answer["name"] == "PROCESS_DOWN"
        assert "robot:bad failed" in answer["message"] and "not today" in answer["message"]
        states = {p["name"]: p["state"] for p in home.now()["processes"]}
        assert {n for n, s in states.items() if s == "running"} == {*ALL, "robot:gone"}
        # Mended, it is asked for.
        (tmp_path / "bad.py").write_text(MAKER)
        assert home.run("restart", "robot:bad")["state"] == "running"
        assert home.run("restart", "robot:nobody", code=2)["error"]["name"] == "BAD_CONFIG"
        # Without its supervisor it is stopped as well.
        pids = {p["name"]: p["pid"] for p in home.now()["processes"] if p["pid"]}
        os.kill(pids["supervisor"], signal.SIGKILL)
        home.wait_for(lambda: not is_there(pids["supervisor"]))
        stopped = home.run("down")["stopped"]
        assert set(stopped) == {*ALL[1:], "robot:gone", "robot:bad"}
        assert stopped.index("gateway:main") > stopped.index("robot:mm")
        assert stopped[-1] == "venue:x"
        assert [pid for pid in pids.values() if is_there(pid)] == []


def test_nothing_to_run_and_nothing_that_runs(tmp_path: Path) -> None:
    home = Home(tmp_path, "")
    assert home.run("up", code=2)["error"]["name"] == "BAD_CONFIG"
    assert home.run("restart", "robot:mm", code=6)["error"]["name"] == "PROCESS_DOWN"
    for verb in ("accounts", "orders", "positions", "fills"):
        assert home.run(verb) == []

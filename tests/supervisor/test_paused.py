"""Processes that are stopped for a while and go on, and configurations that must not start."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from onetape.model.errors import ProcessDown
from onetape.supervisor import client
from onetape.supervisor.client import bring_down
from onetape.supervisor.options import supervisor_journal
from onetape.supervisor.start import process_journal
from onetape.tape.journal import JournalReader
from worlds.supervised import ALLOCATE, CONFIG, Home


def begins(path: Path) -> int:
    """How often a journal was opened to be written: each writer raises its epoch."""
    with JournalReader(path) as reader:
        return int(reader.control["epoch"])


def test_a_pause_shows_in_status_and_ends_without_a_second_process(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(home.fills)
        first = {p["name"]: p["pid"] for p in home.now()["processes"]}
        for name in ("venue:x", "gateway:main", "robot:mm"):
            os.kill(first[name], signal.SIGSTOP)
            try:
                home.wait_for(lambda at=name: "no heartbeat for" in home.process(at)["reason"])
                shown = home.process(name)
                assert shown["heartbeat_age_ms"] > 1000
            finally:
                os.kill(first[name], signal.SIGCONT)

            def is_well(at: str = name) -> bool:
                now = home.process(at)
                return now["state"] == "running" and not now["reason"]

            home.wait_for(is_well)
        # However long it was, there is one process of each, and it trades.
        now = {p["name"]: (p["pid"], p["restarts"]) for p in home.now()["processes"]}
        for name, (pid, restarts) in now.items():
            assert (pid == first[name]) == (restarts == 0), name
        assert begins(process_journal(home.home, "gateway:main")) == 1 + now["gateway:main"][1]
        assert begins(process_journal(home.home, "venue:x")) == 1 + now["venue:x"][1]
        many = len(home.fills())
        home.wait_for(lambda: len(home.fills()) > many)
        home.run("down")
        for run in (home.home / "runs").iterdir():
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run


def test_a_supervisor_that_is_paused_is_not_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ASK_WITHIN_S", 1.0)
    with Home(tmp_path) as home:
        first = {p["name"]: p["pid"] for p in home.run("up")["processes"]}
        epoch = begins(supervisor_journal(home.home))
        os.kill(first["supervisor"], signal.SIGSTOP)
        try:
            with pytest.raises(ProcessDown, match="does not answer"):
                home.now()
            with pytest.raises(ProcessDown, match="does not answer"):
                bring_down(home.home)
        finally:
            os.kill(first["supervisor"], signal.SIGCONT)
        monkeypatch.undo()
        assert {p["name"]: p["pid"] for p in home.run("up")["processes"]} == first
        assert begins(supervisor_journal(home.home)) == epoch
        home.run("down")


POISON = {
    "no such key": (CONFIG + "spred = 3\n", "spred"),
    "no such account": (CONFIG.replace('account = "main"', 'account = "mian"'), "mian"),
    "no such sub-account": (CONFIG.replace('subaccount = "a"', 'subaccount = "b"'), "`b`"),
    "a wrong type": (CONFIG + "restart = 7\n", "restart"),
    "no size": (CONFIG + 'memory_max = "much"\n', "memory_max"),
    "no duration": (CONFIG + 'stuck_after = "20"\n', "stuck_after"),
    "a rate below 0": (CONFIG + "orders_per_second = -1\n", "orders_per_second"),
    "a secret in the open": (CONFIG.replace("[robots", 'key = "abc"\n[robots', 1), "key"),
    "no TOML": ("[venues", "TOML"),
}


@pytest.mark.parametrize("what", POISON)
def test_a_configuration_that_cannot_be_read_starts_nothing(tmp_path: Path, what: str) -> None:
    text, word = POISON[what]
    home = Home(tmp_path, text)
    error = home.run("up", code=2)["error"]
    assert error["name"] == "BAD_CONFIG"
    assert word in error["message"]
    assert "abc" not in error["message"]
    assert not (home.home / "journal").exists()
    assert home.now()["processes"] == []


def test_a_configuration_that_was_spoilt_while_all_runs_ends_nothing(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        first = {p["name"]: p["pid"] for p in home.run("up")["processes"]}
        (tmp_path / "onetape.toml").write_text("[venues")
        assert home.run("up", code=2)["error"]["name"] == "BAD_CONFIG"
        assert {p["name"]: p["pid"] for p in home.now()["processes"]} == first
        home.run("down")  # stops what runs, whatever is in the file
        (tmp_path / "onetape.toml").write_text(CONFIG)


def test_a_supervisor_that_ends_as_it_is_asked_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket breaks before the request is written."""

    def broken(*_: object, **__: object) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    monkeypatch.setattr(client, "connect", broken)
    assert client.ask(tmp_path, "down") is None

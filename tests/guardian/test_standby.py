"""Two guardians of one home: one of them acts, whatever becomes of the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from test_guardian_under_up import CONFIG, HOLD, SYMBOL, protected

from long_form import LONG
from onetape.ipc.local_socket import connect
from onetape.ipc.names import process_socket
from onetape.ipc.operator import send_command
from onetape.model.errors import JournalLocked
from onetape.model.home import guardian_journal
from onetape.options.guardian import GUARDIAN, STANDBY, GuardianOptions
from onetape.options.guardian_rules import GuardianSettings
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.supervised import Home


def acting(home: Path) -> int:
    """The pid of who writes the guardian's journal."""
    with JournalReader(guardian_journal(home)) as reader:
        return int(reader.control.get("pid", 0))  # 0: its writer is just beginning


class Pair:
    """Starts guardians of a home that has no accounts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.made: list[subprocess.Popen[bytes]] = []
        make_token(home, GUARDIAN)

    def start(self, *, waits: bool) -> subprocess.Popen[bytes]:
        options = GuardianOptions(home=str(self.home), accounts={}, settings=GuardianSettings(), waits=waits)
        made = subprocess.Popen(
            [sys.executable, "-m", "onetape.guardian.main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.made.append(made)
        made.stdin.write(msgspec.json.encode(options))
        made.stdin.close()
        return made

    def serves(self) -> bool:
        try:
            connect(process_socket(self.home, GUARDIAN), timeout_s=1.0).close()
        except OSError:
            return False
        return True


@pytest.fixture
def pair(tmp_path) -> Iterator[Pair]:
    made = Pair(tmp_path / ".onetape")
    yield made
    for each in made.made:
        each.kill()
        each.wait()
        each.stdout.close()
        each.stderr.close()


def test_a_second_guardian_by_mistake_does_not_start(pair):
    first = pair.start(waits=False)
    assert first.stdout.readline() == b"ready\n"
    second = pair.start(waits=False)
    assert second.wait() == JournalLocked.exit_code
    words = second.stderr.read().decode()
    assert str(first.pid) in words and len(words.splitlines()) == 1
    assert acting(pair.home) == first.pid and first.poll() is None


def test_a_standby_acts_once_the_other_has_ended_and_not_while_it_only_stands_still(pair):
    first = pair.start(waits=True)
    assert first.stdout.readline() == b"ready\n"
    second = pair.start(waits=True)
    assert second.stdout.readline() == b"ready\n"
    os.kill(first.pid, signal.SIGSTOP)
    with JournalReader(guardian_journal(pair.home)) as reader:
        wait_for(lambda: time.time_ns() - reader.control["heartbeat"] > 2 * 10**9)
        epoch = reader.control["epoch"]
    assert acting(pair.home) == first.pid
    first.kill()
    wait_for(lambda: acting(pair.home) == second.pid)
    with JournalReader(guardian_journal(pair.home)) as reader:
        assert reader.control["epoch"] > epoch  # gateways take its lease, and no older one
    wait_for(pair.serves)
    third = pair.start(waits=True)
    assert third.stdout.readline() == b"ready\n"
    second.terminate()
    assert second.wait() == 0
    wait_for(lambda: acting(pair.home) == third.pid)
    third.terminate()
    assert third.wait() == 0


def test_a_standby_that_waits_ends_when_it_is_asked_to_and_takes_nothing_away(pair):
    first = pair.start(waits=True)
    assert first.stdout.readline() == b"ready\n"
    second = pair.start(waits=True)
    assert second.stdout.readline() == b"ready\n"
    second.terminate()
    assert second.wait() == 0 and not second.stderr.read()
    wait_for(pair.serves)
    assert acting(pair.home) == first.pid


@pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")  # a whole home
def test_protection_goes_over_to_the_standby_where_nobody_starts_another_guardian(tmp_path):
    with Home(tmp_path, CONFIG.replace("[guardian]", "[guardian]\nstandby = true"), HOLD) as home:
        up = home.run("up")
        pids = {each["name"]: each["pid"] for each in up["processes"]}
        ids = {each["venue_id"] for each in wait_for(lambda: protected(home))}
        assert acting(home.home) == pids[GUARDIAN]
        for name in ("supervisor", GUARDIAN):
            os.kill(pids[name], signal.SIGKILL)
        wait_for(lambda: acting(home.home) == pids[STANDBY])
        assert {each["venue_id"] for each in wait_for(lambda: protected(home))} == ids

        def opens() -> bool:  # gateways have its lease
            fields = {"symbol": SYMBOL, "side": "buy", "qty": "0.01"}
            (answer,) = send_command(home.home, "gateway:main", "place", fields, f"open {time.time_ns()}")
            return answer["error"] is None and answer["result"]["orders"][0]["state"] != "DENIED"

        wait_for(opens)
        wait_for(lambda: [each["protected"] for each in home.run("stops") if each["qty"] == "0.040"] == [1.0])

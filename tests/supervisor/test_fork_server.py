"""Processes as copies of one that has imported what they need, and without it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from onetape.supervisor.child import ChildFiles, Process
from onetape.supervisor.fork_server import ForkServer
from waiting import wait_for
from worlds.command_lines import CLEAN
from worlds.supervised import Home


@pytest.fixture
def forks(tmp_path: Path):
    (tmp_path / "run").mkdir()
    made = ForkServer(["collector"], CLEAN, tmp_path / "run" / "fork-server.err")
    yield made
    made.close()


def made(forks: ForkServer, home: Path, name: str) -> Process:
    return Process.make("collector", name, ChildFiles(home, name), CLEAN, forks)


def ready(forks: ForkServer) -> None:
    def has_said() -> bool:
        forks.read()
        return forks.is_ready

    wait_for(has_said)


def test_a_copy_is_a_process_of_its_own(forks, tmp_path):
    ready(forks)
    one, two = made(forks, tmp_path, "collector:one"), made(forks, tmp_path, "collector:two")
    for process, name in ((one, "collector:one"), (two, "collector:two")):
        proc = Path(f"/proc/{process.pid}")
        wait_for(lambda proc=proc, name=name: (proc / "comm").read_text().strip() == name)
        assert os.getsid(process.pid) == process.pid
        said = {os.readlink(proc / "fd" / str(n)) for n in (1, 2)}
        assert said == {str(tmp_path / "run" / f"{name.replace(':', '-')}.{e}") for e in ("out", "err")}
        # Neither the server's socket nor another one's options.
        assert {each.name for each in (proc / "fd").iterdir()} == {"0", "1", "2"}
    # Without options it has nothing to do; with wrong ones it says so and fails.
    one.go(b"")
    wait_for(lambda: one.has_ended)
    assert one.end() == 0
    two.go(b"{}")
    wait_for(lambda: two.has_ended)
    assert two.end() == 1
    assert "ValidationError" in ChildFiles(tmp_path, "collector:two").err.read_text()


def test_a_copy_that_is_killed_is_told_and_one_of_a_supervisor_that_died_ends(forks, tmp_path):
    ready(forks)
    one, two = made(forks, tmp_path, "a"), made(forks, tmp_path, "b")
    one.signal(signal.SIGKILL)
    wait_for(lambda: one.has_ended)
    assert one.end() == -signal.SIGKILL
    # What ends with the supervisor: its end of the socket, and the options that never came.
    forks.close()
    two.close()
    assert Process.find(forks.pid, 0) is None
    wait_for(lambda: not Path(f"/proc/{two.pid}").exists())


def test_without_a_server_it_is_made_all_the_same(forks, tmp_path):
    ready(forks)
    before = made(forks, tmp_path, "before")
    os.kill(forks.pid, signal.SIGKILL)
    after = made(forks, tmp_path, "after")
    assert forks.has_ended
    words = Path(f"/proc/{after.pid}/cmdline")  # empty for a moment
    wait_for(lambda: "onetape.collector.main" in words.read_text().split("\0"))
    for process, code in ((before, None), (after, 0)):  # nobody has heard how the first one ended
        process.go(b"")
        wait_for(lambda process=process: process.has_ended)
        assert process.end() == code


def test_what_it_imports_is_named_when_it_cannot_be(tmp_path):
    (tmp_path / "run").mkdir()
    err = tmp_path / "run" / "fork-server.err"
    forks = ForkServer(["no_such_kind"], CLEAN, err)

    def has_ended() -> bool:
        forks.read()
        return forks.has_ended

    wait_for(has_ended)
    assert "no_such_kind" in err.read_text()


def test_the_supervisor_goes_on_without_it(tmp_path):
    with Home(tmp_path) as home:
        home.run("up")
        (forks,) = {
            int(Path(f"/proc/{p['pid']}/stat").read_text().rpartition(")")[2].split()[1])
            for p in home.now()["processes"]
            if p["kind"] != "supervisor"
        }
        os.kill(forks, signal.SIGKILL)
        home.wait_for(lambda: "the fork server ended" in home.log())
        home.kill("robot:mm")
        home.kill("venue:x")
        home.run("down")

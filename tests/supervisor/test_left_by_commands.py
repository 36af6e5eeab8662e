"""What a command in the foreground has started: it ends with it when its terminal is closed, and is found in its home
when it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.ipc.process_ids import left_by_commands, noted_child, start_time
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import CLEAN, begin, ended
from worlds.supervised import CONFIG, Home

GUARDED = f"{CONFIG}[guardian]\n".replace("subaccounts = { a = 2 }\n", "").replace('subaccount = "a"\n', "")


def left(home: Home) -> dict[str, int]:
    return {each["name"].partition(":")[0]: each["pid"] for each in home.status()["processes"]}


def begun(home: Home, start=begin):
    """A run in the foreground, once it trades."""
    process = start(home.folder, "run", "maker.py", "--live")
    wait_for(lambda: home.fills() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def at_a_terminal(folder: Path, *words: str) -> subprocess.Popen:
    """Whoever runs the tests may have been started by `nohup`, under which it would go on."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen([sys.executable, "-m", "onetape", *words, "--json"], cwd=folder, env=CLEAN, **pipes)
    finally:
        signal.signal(signal.SIGHUP, before)


def killed(process) -> None:
    """What it has started keeps its standard error open."""
    process.kill()
    process.wait(PATIENCE_S)
    for pipe in (process.stdout, process.stderr):
        pipe.close()


@pytest.fixture
def home(tmp_path: Path):
    with Home(tmp_path, GUARDED) as made:
        yield made


def test_what_a_killed_run_has_left_is_shown_and_ended_by_down(home):
    process = begun(home)
    assert left(home) == {}  # it lives, and they are its own
    killed(process)
    processes = home.status()["processes"]
    assert [each["name"].partition(":")[0] for each in processes] == ["venue", "gateway", "guardian"]
    assert all("`down` ends it" in each["reason"] for each in processes)
    pids = left(home).values()
    assert len(home.run("down")["stopped"]) == 3
    assert not any(start_time(pid) for pid in pids)
    assert left(home) == {}
    assert home.run("down")["stopped"] == []


def test_up_takes_the_place_of_what_a_killed_run_has_left(home):
    process = begun(home)
    killed(process)
    before = left(home).values()
    home.run("up")
    assert not any(start_time(pid) for pid in before)
    home.run("down")


def test_a_closed_terminal_ends_a_run_as_ctrl_c_does(home):
    process = begun(home, at_a_terminal)
    process.send_signal(signal.SIGHUP)
    assert ended(process)["orders"] > 0
    assert left(home) == {}


def test_a_note_that_makes_no_sense_names_nobody(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    ours = os.getpid()
    for number, text in enumerate(("", "[]", "{}", "null", json.dumps({"name": "x", "pid": "1.5", "started": 1}))):
        (folder / f"{number}.child").write_text(text)
    with noted_child(tmp_path, "gateway:a b", ours):
        assert left_by_commands(tmp_path) == []  # who noted it lives
        (note,) = folder.glob("gateway-*.child")
        said = json.loads(note.read_text())
        note.write_text(json.dumps({**said, "parent_started": said["parent_started"] - 1}))
        assert left_by_commands(tmp_path) == [("gateway:a b", ours, start_time(ours))]
        note.write_text(json.dumps({**said, "started": said["started"] - 1, "parent_started": 0}))
        assert left_by_commands(tmp_path) == []  # the number is another's now
    assert list(folder.glob("gateway-*")) == []

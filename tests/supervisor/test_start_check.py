"""What is known before anything starts is said then, with its line; an interrupted `up` leaves
nothing behind; `restart` reads the file."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exchange.venue_client import served
from on_terminal import Terminal
from onetape.model.errors import OnetapeError
from onetape.preflight.findings import ERROR
from onetape.security.tokens import make_token, token_file
from onetape.store.config import load_config
from onetape.supervisor.start_check import check_clock, check_start, refuse
from waiting import PATIENCE_S
from worlds.supervised import CONFIG, MAKER, Home, is_there

ROBOT = 'strategy = "maker.py"'


def findings(folder: Path, config: str, **more) -> list[str]:
    (folder / "maker.py").write_text(MAKER)
    (folder / "onetape.toml").write_text(config)
    read = load_config(folder / "onetape.toml", {})
    reported = check_start(read, folder, folder / ".onetape", **more)
    return [f"{f.error}: {f.subject}: {f.text}" for f in reported if f.state == ERROR]


@pytest.mark.parametrize(
    ("old", "new", "name", "words"),
    [
        (ROBOT, 'strategy = "gone.py"', "BAD_CONFIG", "no strategy file"),
        (ROBOT, 'strategy = "maker.py:Nobody"', "BAD_CONFIG", "no strategy class 'Nobody'"),
        (ROBOT, f"{ROBOT}\nparams = {{ much = 1 }}", "BAD_CONFIG", "unknown parameter 'much'"),
        (ROBOT, f"{ROBOT}\nparams = {{ symbol = 7 }}", "BAD_CONFIG", "must be str"),
        (ROBOT, f"{ROBOT}\nvariants.v.params = {{ much = 1 }}", "BAD_CONFIG", "unknown parameter 'much'"),
        (
            ROBOT,
            f'{ROBOT}\nparams = {{ symbol = "binance:NO/USDT:USDT" }}',
            "UNKNOWN_SYMBOL",
            "binance:NO/USDT:USDT does not trade",
        ),
        (
            'mode = "sim"',
            'mode = "sim"\n[collectors.c]\nkind = "nats"\naddress = "tcp://x"',
            "BAD_CONFIG",
            "does not speak tcp",
        ),
    ],
)
def test_what_a_robot_cannot_be_is_known_before(tmp_path: Path, old, new, name, words):
    (found,) = findings(tmp_path, CONFIG.replace(old, new))
    assert found.startswith(f"{name}: ") and words in found and "onetape.toml:" in found


def test_a_strategy_that_ends_or_hangs_when_it_is_loaded_harms_nobody(tmp_path: Path):
    (tmp_path / "ends.py").write_text("import os\nos._exit(0)\n")
    config = CONFIG + '[robots.ends]\nstrategy = "ends.py"\naccount = "main"\n'
    (found,) = findings(tmp_path, config)
    assert found.startswith("STRATEGY_ERROR: robot ends: its process ended")


def test_what_is_all_right_is_not_refused(tmp_path: Path):
    assert findings(tmp_path, CONFIG) == []
    gone = CONFIG.replace(ROBOT, 'strategy = "gone.py"')
    # What runs goes on with the source that it has.
    assert findings(tmp_path, gone, running=("robot:mm",)) == []


def test_of_several_reasons_each_says_what_to_write(tmp_path: Path):
    file = tmp_path / "onetape.toml"
    file.write_text('[venues.b]\nkind = "binance-usdm"\nmode = "live"\n[accounts.main]\nvenue = "b"\n')
    with pytest.raises(OnetapeError) as caught:
        refuse(check_start(load_config(file, {}), tmp_path, tmp_path / ".onetape"))
    for line in ('live_account = "..."', 'write key = "env:NAME"', "write [accounts.main] price_band = 0.02"):
        assert line in caught.value.what


def test_a_venue_that_is_away_is_no_reason_but_a_missing_key_is(tmp_path: Path, monkeypatch):
    away = CONFIG.replace('mode = "sim"', 'mode = "sim"\nrest = "http://127.0.0.1:1"')
    monkeypatch.setenv("K", "k")
    keys = 'venue = "x"\nkey = "env:K"\nsecret = "env:NOT_THERE"'
    found = findings(tmp_path, away.replace('venue = "x"', keys))
    assert [each.partition(":")[0] for each in found] == ["BAD_CONFIG"]
    assert findings(tmp_path, away.replace('venue = "x"', keys.replace("NOT_THERE", "K"))) == []


def test_a_venue_that_answers_is_asked_what_it_lists(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("K", "k")
    with served("binance-usdm", limits=False) as (_, port):
        keys = 'venue = "x"\nkey = "env:K"\nsecret = "env:K"'
        there = CONFIG.replace('mode = "sim"', f'mode = "sim"\nrest = "http://127.0.0.1:{port}"')
        there = there.replace('venue = "x"', keys)
        assert findings(tmp_path, there) == []
        wrong = f'{ROBOT}\nparams = {{ symbol = "binance:NO/USDT:USDT" }}'
        (found,) = findings(tmp_path, there.replace(ROBOT, wrong))
    assert found.startswith("UNKNOWN_SYMBOL: account main") and "onetape.toml:" in found


def test_a_token_that_others_may_read_and_a_home_that_is_a_file_are_said(tmp_path: Path):
    make_token(tmp_path / ".onetape", "mm")
    token_file(tmp_path / ".onetape", "mm").chmod(0o644)
    (found,) = findings(tmp_path, CONFIG)
    assert found.startswith("PERMISSION_DENIED: token mm")
    token_file(tmp_path / ".onetape", "mm").chmod(0o600)
    read = load_config(tmp_path / "onetape.toml", {})
    with pytest.raises(OnetapeError, match="is not a folder") as refused:
        refuse(check_start(read, tmp_path, tmp_path / "maker.py"))
    assert refused.value.exit_code == 2


def test_a_clock_that_is_another_ones_is_named(monkeypatch):
    def fails(seconds: float) -> None:
        raise OSError(22, "Invalid argument")

    assert list(check_clock()) == []
    monkeypatch.setattr(time, "sleep", fails)
    monkeypatch.setenv("LD_PRELOAD", "libfaketime.so.1")
    (found,) = check_clock()
    assert "invalid argument" in found.text and "libfaketime.so.1" in found.todo


# --- an `up` that is interrupted ------------------------------------------------------------------

# It is not ready before the file is there.
SLOW = MAKER.replace(
    "    def on_start(self):",
    """    def on_start(self):
        import pathlib, time
        while not pathlib.Path("{go}").exists():
            time.sleep(0.05)""",
)


def started(home: Home, **more) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "onetape", "up"], cwd=home.folder, stderr=subprocess.PIPE, **more)


def all_pids(home: Home) -> list[int]:
    return [p["pid"] for p in home.now()["processes"] if p["pid"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_up_stops_what_it_has_started_and_says_so(tmp_path: Path, number):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        up = started(home)
        home.wait_for(lambda: len(all_pids(home)) > 1)
        pids = all_pids(home)
        up.send_signal(number)
        (tmp_path / "go").touch()
        said = up.communicate(timeout=PATIENCE_S)[1].decode()
        assert up.returncode not in (0, -number)
        assert "interrupted" in said and "stopped " in said and "INTERRUPTED(4608)" in said
        assert [pid for pid in pids if is_there(pid)] == []
        assert home.status()["running"] is False


def test_interrupted_twice_it_leaves_and_says_what_runs_and_how_to_stop_it(tmp_path: Path):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        up = started(home)
        home.wait_for(lambda: len(all_pids(home)) > 1)
        supervisor = home.process("supervisor")["pid"]
        os.kill(supervisor, signal.SIGSTOP)  # it takes its time to stop
        try:
            up.send_signal(signal.SIGINT)
            assert up.stderr is not None
            assert b"interrupted" in up.stderr.readline()
            up.send_signal(signal.SIGINT)
            (tmp_path / "go").touch()
            said = up.communicate(timeout=PATIENCE_S)[1].decode()
        finally:
            os.kill(supervisor, signal.SIGCONT)
        assert f"supervisor {supervisor}" in said and " down" in said
        assert is_there(supervisor)
        home.run("down")
        assert not is_there(supervisor)


def test_an_up_whose_terminal_is_closed_leaves_nothing(tmp_path: Path):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.execv(sys.executable, [sys.executable, "-m", "onetape", "up"])
        home.wait_for(lambda: len(all_pids(home)) > 1)
        pids = all_pids(home)
        while select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 4096)
        os.close(terminal)
        (tmp_path / "go").touch()
        os.waitpid(pid, 0)
        assert [each for each in pids if is_there(each)] == []


# --- restart --------------------------------------------------------------------------------------


def test_restart_says_what_it_waits_for(tmp_path: Path):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        (tmp_path / "go").touch()
        home.run("up")
        (tmp_path / "go").unlink()
        with Terminal("-m", "onetape", "restart", "robot:mm", cwd=tmp_path) as terminal:
            terminal.until(r"restart: robot:mm starting(: waits for the market)?  0:\d\d\r")
            (tmp_path / "go").touch()
            out, left = terminal.end()
        assert out.startswith("robot:mm runs, process ") and left == ""
        home.run("down")


def test_restart_reads_the_file_says_what_changed_and_refuses_a_broken_one(tmp_path: Path):
    config = CONFIG + "params = { size = 0.01 }\n"
    maker = MAKER.replace("    def on_start", "    size: float = 0.5\n\n    def on_start")
    with Home(tmp_path, config, maker) as home:
        home.run("up")
        pid = home.process("robot:mm")["pid"]
        file = tmp_path / "onetape.toml"
        file.write_text(config.replace("size = 0.01", "size = "))
        assert home.run("restart", "robot:mm", code=2)["error"]["name"] == "BAD_CONFIG"
        file.write_text(config.replace("size = 0.01", "size = 'much'"))
        assert "must be float" in home.run("restart", "robot:mm", code=2)["error"]["message"]
        file.write_text(config.replace('subaccount = "a"', 'subaccount = "b"'))
        assert "sub-account" in home.run("restart", "robot:mm", code=2)["error"]["message"]
        assert home.process("robot:mm")["pid"] == pid
        file.write_text(config.replace("size = 0.01", "size = 0.02"))
        answer = home.run("restart", "robot:mm")
        assert answer["changed"] == {"params.size": [0.01, 0.02]}
        shown = home.run("params", "robot:mm")
        assert "0.02" in str(shown)
        assert home.run("restart", "robot:mm")["changed"] == {}
        # Another symbol: its gateway follows it first.
        other = "binance:ETH/USDT:USDT"
        file.write_text(config.replace("size = 0.01", f'size = 0.02, symbol = "{other}"'))
        answer = home.run("restart", "robot:mm")
        assert answer["changed"] == {"params.symbol": [None, other]}
        home.run("down")

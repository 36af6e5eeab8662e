"""What a new user types: Tab, a slip of the finger, --json in front, a home that cannot be used."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.cli.frame import behind_verb


def tab(onetape, words: str, shell: str = "bash", **options):
    """What a press of Tab after `words` offers."""
    env = {"_ONETAPE_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = onetape(env=env, **options)
    assert (done.code, done.err) == (0, "")
    return [line.partition(",")[2] for line in done.out.splitlines() if line]


def test_tab_offers_verbs_options_and_words(onetape):
    assert tab(onetape, "onetape ba") == ["backtest"]
    assert {"ls", "cat", "verify"} <= set(tab(onetape, "onetape journal "))
    assert tab(onetape, "onetape backtest --cas") == ["--cash"]
    assert tab(onetape, "onetape import bina") == ["binance-raw", "binance-vision"]
    assert tab(onetape, "onetape sim k") == ["kraken"]
    assert tab(onetape, "onetape nothing-like-it x") == []


def test_tab_offers_runs_robots_and_files(onetape, tmp_path):
    for name in ("first", "second"):
        (tmp_path / ".onetape" / "runs" / name).mkdir(parents=True)
        (tmp_path / ".onetape" / "runs" / name / "run.toml").touch()
    assert tab(onetape, "onetape replay f") == ["first"]
    assert set(tab(onetape, "onetape compare ")) == {"first", "second"}
    assert tab(onetape, "onetape replay --home elsewhere f") == ["f"]  # the shell's own files
    assert tab(onetape, "onetape backtest strat") == ["strat"]
    sockets = tmp_path / ".onetape" / "run"
    sockets.mkdir()
    (sockets / "robot-mm.sock").touch()
    (sockets / "gateway-main.sock").touch()
    assert tab(onetape, "onetape send ") == ["gateway:main", "mm"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_one(onetape, shell, tmp_path):
    done = onetape(env={"_ONETAPE_COMPLETE": f"{shell}_source"})
    assert (done.code, done.err) == (0, "")
    assert "_ONETAPE_COMPLETE" in done.out
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(done.out)
        assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["backtset"], "did you mean backtest?"),
        (["jornal", "ls"], "did you mean journal?"),
        (["journal", "vrify"], "did you mean verify?"),
        (["backtest", "x.py", "--data", "t", "--csah", "1 USD"], "Did you mean one of: '--cash'"),
    ],
)
def test_a_slip_is_asked_about(onetape, words, near):
    done = onetape(*words)
    assert done.code == 2
    assert near in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("group", "verbs"), [("delta", "auto, control, status"), ("journal", "cat, ")])
def test_a_group_alone_names_its_commands_in_one_line(onetape, group, verbs):
    done = onetape(group)
    assert done.code == 2
    assert verbs in done.err and f"see onetape {group} --help" in done.err
    assert "sage:" not in done.err
    assert done.err.count("\n") == 1


def test_nothing_near_names_the_help(onetape):
    done = onetape("zzzzzz")
    assert done.code == 2
    assert "no such command 'zzzzzz'" in done.err and "see onetape --help" in done.err


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        ("--json status", "status --json"),
        ("--home a --json journal ls b", "journal ls b --home a --json"),
        ("--home=a --config c status", "status --home=a --config c"),
        ("--json bench -- --x", "bench --json -- --x"),
        ("status --json", "status --json"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_common_options_may_stand_before_the_verb(words, moved):
    assert behind_verb(words.split()) == moved.split()


def test_json_before_the_verb(onetape):
    assert onetape("--json", "status").value["running"] is False
    assert onetape("--json").value.keys() == {"version"}
    done = onetape("--json", "backtset")
    assert done.code == 2
    assert done.value["error"]["name"] == "BAD_CONFIG"


@pytest.mark.parametrize(
    "words",
    [
        ["backtest", "s.py", "--data", "m.tape"],
        ["run", "s.py", "--paper", "--seconds", "1"],
        ["sweep", "s.py", "--data", "m.tape", "--param", "size=1,2"],
        ["fetch", "binance-vision", "--symbol", "binance:BTC/USDT", "--from", "2024-01-01"],
        ["demo", "--seconds", "1"],
    ],
)
def test_a_home_that_cannot_be_used_is_named_with_the_way_out(onetape, tmp_path, words):
    (tmp_path / "file").touch()
    (tmp_path / "s.py").write_text(
        "from onetape import Strategy\n\nclass S(Strategy):\n    size: float = 1.0\n"
        "    symbol: str = 'binance:BTC/USDT:USDT'\n"
    )
    assert onetape("sample", "--out", "m.tape", "--events", "100").code == 0
    done = onetape("--home", "file", *words)
    assert done.code == 5
    assert f"the home {tmp_path / 'file'} cannot be used" in done.err
    assert "--home DIR or $ONETAPE_HOME" in done.err


def on_a_terminal(command: list[str], until: bytes, folder: Path) -> bytes:
    """What a person is shown up to these words."""
    leader, follower = pty.openpty()
    with subprocess.Popen(command, stdout=follower, cwd=folder) as process:
        os.close(follower)
        shown = b""
        try:
            while until not in shown:
                shown += os.read(leader, 4096)
        finally:
            process.terminate()
            os.close(leader)
    return shown


def test_a_simulated_exchange_shows_people_no_secret(onetape, tmp_path):
    """On a terminal lines for people, in a pipe and with --json the line for programs."""
    command = [sys.executable, "-m", "onetape", "sim", "binance-usdm"]
    shown = on_a_terminal(command, b"--json", tmp_path)
    assert b"is ready, until Ctrl-C" in shown and b"100000 USDT" in shown
    assert b"onetape run STRATEGY --live --exchange http://127.0.0.1:" in shown
    assert b"--home" not in shown
    assert b'secret"' not in shown and b'key"' not in shown
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        answer = json.loads(process.stdout.readline())
        process.terminate()
    assert {"name", "key", "secret", "balances"} <= answer["accounts"][0].keys()
    for account in answer["accounts"]:
        assert account["secret"].encode() not in shown and account["key"].encode() not in shown


def test_a_simulated_exchange_says_to_people_how_to_trade_on_it(tmp_path):
    command = [sys.executable, "-m", "onetape", "sim", "kraken", "--home", str(tmp_path / "h")]
    assert f" --home {tmp_path / 'h'}".encode() in on_a_terminal(command, b"--json", tmp_path)
    command[4] = "bitmex"  # nobody trades live there
    assert b"--exchange" not in on_a_terminal(command, b"--json", tmp_path)


def test_the_end_of_a_tape_is_said_to_people_too(onetape, tmp_path):
    assert onetape("sample", "--out", "m.tape", "--events", "300").code == 0
    command = [sys.executable, "-m", "onetape", "sim", "binance-usdm", "--tape", "m.tape"]
    shown = on_a_terminal([*command, "--speed", "1000"], b"no longer change", tmp_path)
    assert b"the tape has ended: books no longer change" in shown

"""The line about long work: what it says, that it is seen on a terminal alone, and then gone."""

from __future__ import annotations

import re
import signal
import socket
import sys
from types import SimpleNamespace

import pytest

from on_terminal import Terminal
from onetape.cli.frame import Shell
from onetape.cli.progress import ERASE, Progress

# A verb that works until it is told to end.
VERB = """
import sys
import click
from onetape.cli import main
from onetape.cli.frame import Answer, verb

@verb("wait", example="")
def command(shell):
    shell.progress.of("bytes")(3 << 20, 12 << 20)
    if input() == "say":
        shell.say("said")
        input()
    if not shell.progress.shown:
        print("not shown", file=sys.stderr)
    return Answer({}, "done")

main.group.add_command(command)
main.VerbGroup.get_command = click.Group.get_command
main.main()
"""


@pytest.mark.parametrize(
    ("unit", "done", "total", "after_s", "says"),
    [
        ("variants", 16, 64, 8, "━━" + " " * 19 + "25%  16 of 64 variants  2/s  0:24 left"),
        ("variants", 1, 4, 100, "25%  1 of 4 variants  0.01/s  5:00 left"),
        ("variants", 100, 1000, 1000, "100 of 1,000 variants  0.1/s  2:30:00 left"),
        ("events", 500_000, 1_000_000, 2, "50%  500,000 of 1,000,000 events  250,000/s  0:02 left"),
        ("bytes", 3 << 20, 12 << 20, 3, "3.0 MiB of 12.0 MiB  1.0 MiB/s  0:09 left"),
        ("bytes", 512, None, 2, "work  512 B  256 B/s  0:12"),
        ("events", 7, None, 1, "work  7 events  7/s  0:11"),
        ("", 1, 4, 1, "25%  0:03 left"),
        ("events", 4, 4, 1, "100%  4 of 4 events  4/s  0:11"),
        ("events", 0, 4, 5, "0%  0:15"),
        ("", 0, None, 5, "work  0:15"),
    ],
)
def test_it_says_how_far_how_fast_and_how_long_still(unit, done, total, after_s, says):
    progress = Progress("work", shown=False).of(unit)
    progress._from = 1010.0, 0
    progress._began = 1000.0
    progress(done, total)
    assert progress.line(1010.0 + after_s).endswith(says)


def test_its_speed_is_of_what_is_done_now():
    """Neither of another pass, nor of another thing that is done."""
    progress = Progress("work", shown=False).of("events")
    progress._from = 1.0, 0
    progress(100)
    progress(50)
    assert "/s" not in progress.line(2.0)
    progress._from = 2.0, 50
    progress(60)
    assert "10/s" in progress.line(3.0)
    progress.doing("the report")
    assert re.fullmatch(r"work: the report  \d.*", progress.line(3.0))
    progress.doing("hears \x1b[2J")
    assert r"hears \x1b[2J" in progress.line(4.0)
    assert progress.line(4.0, 20) == r"work: hears \…  0:04"


def test_it_is_for_a_terminal_alone_and_never_beside_json(monkeypatch):
    assert not Shell().progress.shown
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    assert Shell().progress.shown
    assert not Shell(json=True).progress.shown
    monkeypatch.setattr(sys, "stderr", None)  # started with it closed
    assert not Shell().progress.shown


def test_a_verb_that_lasts_has_its_line_and_leaves_nothing_of_it(tmp_path):
    with Terminal("-c", VERB, "wait", cwd=tmp_path) as terminal:
        terminal.until(r"wait  ━+ +25%  3\.0 MiB of 12\.0 MiB  0:\d\d\r")
        terminal.tell("say")
        terminal.until(re.escape(ERASE) + "said\r\n(?s:.*)wait  ━")
        terminal.tell("")
        assert terminal.end() == ("done\n", "")


def test_a_verb_that_is_interrupted_leaves_its_error_alone(tmp_path):
    with Terminal("-c", VERB, "wait", cwd=tmp_path) as terminal:
        terminal.until("wait  ━")
        terminal.process.send_signal(signal.SIGINT)
        out, left = terminal.end()
        assert out == "" and "the command was stopped before its end" in left and "━" not in left


def test_a_verb_that_ends_at_once_and_one_with_json_say_nothing(tmp_path):
    with Terminal("-c", VERB, "wait", cwd=tmp_path) as terminal:
        terminal.tell("")
        assert terminal.end() == ("done\n", "") and terminal.said == ""
    with Terminal("-c", VERB, "wait", "--json", cwd=tmp_path) as terminal:
        terminal.tell("")
        assert terminal.end() == ("{}\n", "not shown\n")


def test_a_fetch_says_whom_it_asks_for_what_and_how_long_it_waits(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Terminal(
            "-m",
            "onetape",
            "fetch",
            "binance-vision",
            "--symbol",
            "binance:BTC/USDT:USDT",
            "--from",
            "2024-02-01",
            "--to",
            "2024-02-03",
            "--base-url",
            f"http://127.0.0.1:{port}",
            cwd=tmp_path,
        ) as terminal:
            asking, _ = server.accept()
            words = r"fetch: 1 of 2, asks 127\.0\.0\.1, 30 s at most, for BTCUSDT-1m-2024-0"
            terminal.until(words + r"[^ ]*…  0:\d\d\r")
            asking.close()
            terminal.until(r"127\.0\.0\.1: .*; again in 1 s \(2 of 6\), the last in 31 s\r\n")
            terminal.process.send_signal(signal.SIGINT)
            assert "the command was stopped before its end" in terminal.end()[1]

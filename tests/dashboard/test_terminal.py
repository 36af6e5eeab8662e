"""`onetape top`: keys as a table, the screen in 80 columns, and a home that trades on a real pseudo terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from onetape.dashboard.overview import AccountNow, DayOf, Look, first_look
from onetape.dashboard.terminal import QUIT, Top
from onetape.supervisor.fork_server import is_readable
from waiting import PATIENCE_S
from worlds.command_lines import CLEAN, command_line
from worlds.supervised import ALLOCATE, CONFIG, Home

SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()].|[=>])")
ALERT = {"severity": "WARN", "subject": "gateway:main feed", "message": "lost", "since": 0}


def top(alerts: int = 0) -> Top:
    made = Top()
    made.alerts = [{**ALERT, "id": str(400 + number)} for number in range(alerts)]
    return made


@pytest.mark.parametrize(
    ("keys", "done"),
    [
        ("q", [QUIT]),
        ("Kkill\n", ["kill"]),
        ("Kkilk\x7fl\r", ["kill"]),
        ("Kkill\x1b", []),
        ("Kkil\n", []),
        ("K\n", []),
        ("k" + "kill\n", []),  # the small one is none
        ("Kq\n" + "q", [QUIT]),  # what is typed there is no key
        ("a1", ["400"]),
        ("a2a3", ["401"]),  # there are two
        ("aq", []),
        ("Kkill\nq", ["kill", QUIT]),
    ],
)
def test_what_keys_do(keys: str, done: list[str]) -> None:
    made = top(alerts=2)
    assert [each for each in map(made.key, keys) if each] == done


def test_a_digit_means_the_alert_that_it_named_when_it_was_offered() -> None:
    made = top(alerts=2)
    made.key("a")
    made.alerts = [{**ALERT, "id": "999"}, *made.alerts]  # one came above it meanwhile
    assert made.key("1") == "400"


def test_the_screen_has_80_columns_and_obeys_nobody() -> None:
    account = AccountNow("main", "x", "kraken", "USD", Decimal(1010), Decimal(3), Decimal(500), 0.25, 1500)
    day = DayOf(start={("main", "USD"): Decimal(1000)}, capital={("main", "USD"): Decimal(0)})
    process = {"name": "robot:m\x1b[2Jm", "kind": "robot", "state": "failed", "reason": "no [bold]reason[/]", "lag": 0}
    made = top(alerts=1)
    look = Look(now=0, status={"running": True, "processes": [process]}, accounts=[account], day=day)
    made.view = first_look(look)
    console = Console(width=80, record=True, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(made.screen())
    text = console.export_text()
    for words in ("1,010.00", "+10.00", "+1.00%", "m\\x1b[2Jm", "0.50x", "25.0%", "no [bold]reason[/]", "1 WARN"):
        assert words in text
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80


class Screen:
    """`onetape top` on a pseudo terminal of 80 x 24."""

    def __init__(self, folder: Path) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.before, self.theirs, self.said = termios.tcgetattr(theirs), theirs, ""
        environ = {**CLEAN, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onetape", "top"],
            cwd=folder,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def until(self, words: str) -> str:
        """What it has drawn since the last time, once that is in it."""
        deadline, found = time.monotonic() + PATIENCE_S, ""
        while words not in found:
            assert time.monotonic() < deadline, (words, found[-3000:])
            if is_readable(self.ours, 0.2):
                self.said += os.read(self.ours, 1 << 16).decode(errors="replace")
            found = SEQUENCE.sub("", self.said)
        self.said = ""
        return found

    def end(self) -> int:
        """Its exit code; the terminal is as it was."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if is_readable(self.ours, 0.1):
                self.said += os.read(self.ours, 1 << 16).decode(errors="replace")
        assert termios.tcgetattr(self.theirs) == self.before
        return int(self.process.returncode)


def test_somebody_watches_acknowledges_and_kills_over_a_terminal(tmp_path: Path) -> None:
    with Home(tmp_path, f"{CONFIG}\n[recorder]\n") as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(home.fills)
        screen = Screen(tmp_path)
        screen.until("processes run")
        screen.until("started")
        home.run("send", "gateway:main", "halt", "symbol=binance:BTC/USDT:USDT", "until=4h")
        # A busy machine may have alerts of its own beside it.
        (halted,) = home.wait_for(lambda: [each for each in home.run("alerts") if "halt" in each["message"]])
        screen.until(halted["message"][:20])
        screen.press("a")
        screen.until("acknowledge which")
        number = next(n for n, each in enumerate(home.run("alerts"), 1) if each["message"] == halted["message"])
        screen.press(str(number))
        screen.until(": applied")
        assert halted["message"] not in [each["message"] for each in home.run("alerts")]
        screen.press("K")
        screen.until("type kill and Enter")
        screen.press("kill\n")
        screen.until("gateway:main: applied")
        screen.until("kill")
        refused: Any = home.run("buy", "binance:BTC/USDT:USDT", "0.01", code=5)
        assert refused["error"]["name"] == "KILLED"
        screen.press("q")
        assert screen.end() == 0


def test_without_a_terminal_it_says_what_to_do(tmp_path: Path) -> None:
    code, _, said = command_line(["top"], tmp_path)
    assert code == 2 and "onetape status --json" in said

"""What processes and strategies have said, from the supervisor's log and the tapes of runs."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from onetape.cli.main import run
from onetape.model.config import parse_config
from onetape.model.errors import UsageError
from onetape.supervisor.log import SYSTEM_LOG, SystemLog
from onetape.supervisor.logs import log_lines
from onetape.tape.journal import JournalWriter

SECOND = 1_000_000_000
BEGAN = 1_795_000_000 * SECOND
TOML = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[robots.a]
strategy = "s.py:S"
account = "main"
[robots.b]
strategy = "s.py:S"
account = "main"
"""
CONFIG = parse_config(TOML)


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = SystemLog(folder)

    def said(self, second: int, process: str, text: str, level: str = "info") -> None:
        self.log.write(BEGAN + second * SECOND, level, process, text)

    def run(self, robot: str, second: int) -> JournalWriter:
        folder = self.folder / "runs" / f"202611{second:02d}-000000-s"
        folder.mkdir(parents=True)
        (folder / "run.toml").write_text(f'[state]\nnow = "running"\nrobot = "{robot}"\n')
        return JournalWriter(folder / "journal")

    def logged(self, tape: JournalWriter, second: int, text: str, **more) -> None:
        record = {"level": "info", "text": text, "fields": {}, **more}
        tape.append("log", msgspec.msgpack.encode(record), time=BEGAN + second * SECOND)

    def texts(self, process: str = "", **options) -> list[str]:
        return [row["text"] for row in log_lines(self.folder, CONFIG, process, **options)]


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def test_what_all_have_said_comes_in_the_order_of_time(home):
    a, b = home.run("a", 1), home.run("b", 2)
    home.said(1, "supervisor", "one")
    home.logged(b, 2, "two")
    home.logged(a, 3, "three", level="warning", fields={"x": 1})
    home.said(4, "gateway:main", "four")
    assert home.texts() == ["one", "two", "three", "four"]
    assert home.texts(count=2) == ["three", "four"]
    assert home.texts(count=0) == []
    rows = list(log_lines(home.folder, CONFIG, "a"))
    assert rows == [
        {"time": "2026-11-18T11:06:43Z", "level": "warning", "process": "robot:a", "text": "three", "fields": {"x": 1}}
    ]


def test_one_process_is_called_by_its_name_a_robot_by_its_bare_one_too(home):
    tape = home.run("a", 1)
    home.logged(tape, 2, "logged")
    home.said(1, "robot:a", "starting")
    home.said(1, "robot:b", "another one's")
    home.said(3, "gateway:main", "ready")
    assert home.texts("robot:a") == home.texts("a") == ["starting", "logged"]
    assert home.texts("gateway:main") == ["ready"]
    assert home.texts("venue:x") == []  # it is known and has said nothing


def test_a_name_that_nobody_has_is_refused_with_those_there_are(home):
    with pytest.raises(UsageError, match=r"no process 'c'.*gateway:main, robot:a, robot:b"):
        home.texts("c")
    home.said(1, "robot:gone", "was in an older configuration")
    assert home.texts("robot:gone") == ["was in an older configuration"]


def test_a_warning_that_a_strategy_also_wrote_to_standard_error_is_shown_once(home):
    tape = home.run("a", 1)
    home.logged(tape, 2, "spread is wide", level="warning")
    home.said(2, "robot:a", "2026-11-18T11:06:42Z warning: spread is wide")
    home.said(3, "robot:a", "Traceback")
    assert home.texts("a") == ["spread is wide", "Traceback"]


def test_the_lines_of_earlier_runs_come_before_those_of_the_newest(home):
    for second in (1, 2, 3):
        tape = home.run("a", second)
        home.logged(tape, second, f"first of {second}")
        home.logged(tape, second, f"second of {second}")
        tape.close()
    assert home.texts("a", count=3) == ["second of 2", "first of 3", "second of 3"]
    assert len(home.texts("a")) == 6


def test_who_follows_hears_what_comes_also_from_the_next_run_and_the_next_file(home):
    tape = home.run("a", 1)
    home.logged(tape, 1, "before")
    rows = log_lines(home.folder, CONFIG, follow=True)
    assert next(rows)["text"] == "before"
    home.logged(tape, 2, "in the same run")
    home.said(3, "supervisor", "written")
    assert [row["text"] for row in islice(rows, 2)] == ["in the same run", "written"]
    file = home.folder / "logs" / SYSTEM_LOG
    home.said(4, "supervisor", "the last of its file")
    file.replace(file.with_name(f"{SYSTEM_LOG}.1"))
    home.said(5, "supervisor", "the first of the next")
    home.logged(home.run("a", 2), 6, "in the next run")
    wanted = ["the last of its file", "the first of the next", "in the next run"]
    assert [row["text"] for row in islice(rows, 3)] == wanted


def test_a_line_that_is_cut_or_none_is_passed_over(home):
    home.said(1, "supervisor", "one")
    file = home.folder / "logs" / SYSTEM_LOG
    with file.open("a") as log:
        log.write('{"time": "2026\n[1]\n{"time": "x", "process": "p", "text": "t"}\n')
    home.said(2, "supervisor", "two")
    with file.open("a") as log:
        log.write('{"time": "2026-11-18T11:06:43Z", "proc')
    assert home.texts() == ["one", "two"]


def test_without_a_log_there_is_nothing(tmp_path):
    assert list(log_lines(tmp_path, CONFIG)) == []


def test_the_command_writes_lines_for_people_or_json(home, tmp_path, capfd):
    (tmp_path / "onetape.toml").write_text(TOML)
    home.logged(home.run("a", 1), 2, "two", fields={"x": 1})
    home.said(1, "supervisor", "one \x1b[31m")
    path = ["--home", str(home.folder), "--config", str(tmp_path / "onetape.toml")]
    assert run(["logs", *path]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert (first.split()[1:4], "\x1b" in first) == (["supervisor", "info", "one"], False)
    assert second.endswith("robot:a          info     two  x=1")
    assert run(["logs", "a", "--json", *path]) == 0
    [line] = capfd.readouterr().out.splitlines()
    assert json.loads(line)["fields"] == {"x": 1}
    assert run(["logs", "c", *path]) == 2
    assert "no process 'c'" in capfd.readouterr().err

"""What processes and strategies have said, from the supervisor's log and the tapes of runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from onetape.cli.main import run
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, UsageError
from onetape.supervisor.log import ERROR_LOG, SYSTEM_LOG, SystemLog, log_files
from onetape.supervisor.logs import log_lines
from onetape.tape.journal import JournalWriter
from waiting import PATIENCE_S

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
    file.replace(file.with_name(f"{SYSTEM_LOG}.2026-11-18T11:06:46.000000Z"))
    home.said(5, "supervisor", "the first of the next")
    home.logged(home.run("a", 2), 6, "in the next run")
    wanted = ["the last of its file", "the first of the next", "in the next run"]
    assert [row["text"] for row in islice(rows, 3)] == wanted


DAY = 86_400


def days(home: Home, name: str = SYSTEM_LOG) -> list[str]:
    """Of each file the day that is in its first line."""
    return [json.loads(path.read_text().splitlines()[0])["time"][:10] for path in log_files(home.folder / "logs", name)]


def test_a_day_has_a_file_of_its_own_and_goes_when_it_is_too_old(tmp_path):
    home = Home(tmp_path)
    home.log = SystemLog(tmp_path, keep_ns=3 * DAY * SECOND)
    for day in range(3):
        home.said(day * DAY, "supervisor", f"{day}")
        home.log = SystemLog(tmp_path, keep_ns=3 * DAY * SECOND)  # another supervisor goes on in the same file
        home.said(day * DAY + 1, "supervisor", f"{day} once more", level="error")
    assert home.texts() == ["0", "0 once more", "1", "1 once more", "2", "2 once more"]
    assert home.texts(count=3) == ["1 once more", "2", "2 once more"]
    assert days(home) == days(home, "error.log") == ["2026-11-18", "2026-11-19", "2026-11-20"]
    home.said(9 * DAY, "supervisor", "9", level="error")
    assert days(home) == days(home, "error.log") == ["2026-11-20", "2026-11-27"]


def test_all_files_together_stay_below_their_bound_and_the_newest_stay(tmp_path):
    home = Home(tmp_path)
    home.log, last = SystemLog(tmp_path, size=1 << 20), 0
    for n in range(2000):
        home.said(0, "supervisor", f"{n} {'x' * 2000}", level="error" if n % 2 else "info")
        taken = sum(path.stat().st_size for path in (tmp_path / "logs").iterdir())
        assert taken <= 1 << 20
        last = max(last, taken)
    assert last > 700_000
    kept = [int(text.split()[0]) for text in home.texts(count=10_000)]
    assert kept == list(range(kept[0], 2000)) and len(kept) > 150


def test_who_follows_misses_nothing_over_many_files_at_once(tmp_path):
    home = Home(tmp_path)
    home.log = SystemLog(tmp_path, size=8 << 20)
    home.said(0, "supervisor", "0")
    rows = log_lines(home.folder, CONFIG, follow=True)
    assert next(rows)["text"] == "0"
    for n in range(1, 1500):
        home.said(n // 100, "supervisor", f"{n} {'x' * 2000}")
    assert len(log_files(tmp_path / "logs", SYSTEM_LOG)) > 2
    assert [int(row["text"].split()[0]) for row in islice(rows, 1499)] == list(range(1, 1500))


def test_what_a_process_complains_of_is_taken_over_and_its_file_stays_short(home, monkeypatch):
    monkeypatch.setattr("onetape.supervisor.log.BYTES_MAX", 100_000)
    err = home.folder / "venue.err"
    with err.open("ab", buffering=0) as process:
        for n in range(300):
            process.write(f"{n} {'x' * 1000}\n".encode())
            home.log.take(BEGAN, "venue:x", err)
            assert err.stat().st_size <= 102_000
    assert [int(text.split()[0]) for text in home.texts(count=10_000)] == list(range(300))


def test_a_strategys_warning_and_error_keep_their_level(home):
    err = home.folder / "robot.err"
    said = "2026-11-18T11:06:43.25Z"
    err.write_text(f"{said} error: lost\n{said} warning: soon\nerror BAD_CONFIG(4602): no\n{said} info: plain\n")
    home.log.take(BEGAN, "robot:c", err)
    for name, levels in ((SYSTEM_LOG, ["error", "warning", "error", "info"]), (ERROR_LOG, ["error", "error"])):
        lines = (home.folder / "logs" / name).read_text().splitlines()
        assert [json.loads(line)["level"] for line in lines] == levels
    assert home.texts() == ["error BAD_CONFIG(4602): no", f"{said} info: plain"]  # the others are on the tape


def test_a_disk_without_room_stops_nothing_and_is_said_afterwards(home, monkeypatch):
    real, full = os.write, True

    def write(file: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr("onetape.supervisor.log.os.write", write)
    for n in range(3):
        home.said(n, "supervisor", f"{n}")
    full = False
    home.said(4, "supervisor", "4")
    assert home.texts() == ["3 lines could not be written", "4"]


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


def test_who_follows_ends_well_by_a_signal(home):
    home.said(1, "a", "one")
    call = "from onetape.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", call, "logs", "--follow", "--home", str(home.folder)],
        cwd=home.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert b"one" in process.stdout.readline()
        process.terminate()
        assert process.communicate(timeout=PATIENCE_S) == (b"", b"") and process.returncode == 0


@pytest.mark.parametrize(("key", "value"), [("size", "1KB"), ("size", ""), ("keep", "long"), ("size", "much")])
def test_a_bound_that_is_none_is_refused_with_its_line(key, value):
    with pytest.raises(BadConfig) as refused:
        parse_config(f'[logs]\n{key} = "{value}"\n')
    assert refused.value.location == "onetape.toml:2"

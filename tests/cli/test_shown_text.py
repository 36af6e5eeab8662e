"""What strangers write is text, in a terminal and in a sheet."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from onetape.cli.frame import rows
from onetape.cli.listing import listing
from onetape.model.shown import json_shown, line_shown, sheet_text, shown
from onetape.tape.journal import JournalWriter

EVIL = "a\x1b]0;owned\x07b\x9b31m\u202ec\rd\x7f"
PLAIN = r"a\x1b]0;owned\x07b\x9b31m\u202ec\rd\x7f"


def test_control_characters_are_written_out():
    assert shown(EVIL) == PLAIN
    assert shown("two\nlines\tand é 中 ₿") == "two\nlines\tand é 中 ₿"
    assert json.loads(json_shown(json.dumps(EVIL, ensure_ascii=False))) == EVIL


@pytest.mark.parametrize(
    "value",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－2+3", "＠SUM(A1)"],
)
def test_a_formula_in_a_sheet_is_text(value):
    assert sheet_text(value) == "'" + value


def test_a_stranger_begins_no_line_of_its_own():
    assert line_shown("a\nb\tc\u2028d\x85e" + EVIL) == r"a\nb\tc\u2028d\x85e" + PLAIN


@pytest.mark.parametrize("value", ["-1.5", "+3", "-1e-9", "BTC/USDT:USDT", "", "a=b", "0x1"])
def test_numbers_and_names_in_a_sheet_stay_as_they_are(value):
    assert sheet_text(value) == value


@pytest.fixture
def tape(tmp_path):
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        import msgspec

        for text in (f"{EVIL}\n{EVIL}", "=HYPERLINK(1)"):
            record = {"kind": "x", "subject": text, "reason": text}
            writer.append("health", msgspec.msgpack.encode(record), time=1)
    return tmp_path / "tape"


def run(*words):
    return subprocess.run([sys.executable, "-m", "onetape", *map(str, words)], capture_output=True, timeout=300)


@pytest.mark.parametrize("form", [[], ["--jsonl"], ["--json"]])
def test_a_tapes_texts_reach_no_terminal_as_commands(tape, form):
    done = run("journal", "cat", tape, *form)
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode()
    assert not [c for c in out if c != "\n" and shown(c) != c]
    assert "owned" in out and (len(out.splitlines()) == 2 or form == ["--json"])


def test_an_error_repeats_no_command_of_a_strangers_name(tmp_path):
    done = run("journal", "verify", tmp_path / EVIL.replace("/", ""))
    assert done.returncode == 3
    assert b"\x1b" not in done.stderr
    assert rb"\x1b]0;owned" in done.stderr


def test_an_exported_sheet_has_no_formula(tape, tmp_path):
    assert run("export", tape, "--format", "csv", "--out", tmp_path / "out").returncode == 0
    rows = list(csv.DictReader((tmp_path / "out" / "health.csv").open(newline="")))
    assert len(rows) == 2
    for row in rows:
        for name, value in row.items():
            assert not value.startswith(("=", "@", "\t", "\r")), (name, value)


def test_a_table_and_rows_are_for_people():
    row = {"ts_open": 1795446055828000000, "duration_ns": 7_219_000_000, "drawdown": 0.0003955485, "net": "-0.27953"}
    head, cells = listing([row], tuple(row), nothing="").splitlines()
    assert [each.strip() for each in head.split("  ") if each] == ["ts open", "duration", "drawdown", "net"]
    assert cells.split() == ["2026-11-23", "15:00:55.828", "7s", "219ms", "0.04%", "-0.28"]
    assert rows({"year": 2026, "until": 1795446046617778070, "events": 12345}).split() == [
        *("year", "2026", "until", "2026-11-23", "15:00:46.61777807", "events", "12,345")
    ]


def test_a_listing_rounds_what_is_reckoned():
    row = {"leverage": 0.12018097242657247, "drawdown": 0.0312, "equity": "99992.534237"}
    assert listing([row], list(row), nothing="").splitlines()[1].split() == ["0.12", "3.12%", "99,992.53"]

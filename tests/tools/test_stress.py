"""The tool that names tests which fail by chance."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "stress.py"
TESTS = """
from pathlib import Path

def test_sound():
    pass

def test_by_turns():
    count = Path(__file__).with_name("count")
    turn = int(count.read_text()) if count.exists() else 0
    count.write_text(str(turn + 1))
    assert turn % 2, f"turn {turn}"
"""


def test_it_names_what_failed_and_how_often(tmp_path):
    file = tmp_path / "test_some.py"
    file.write_text(TESTS)
    call = [sys.executable, TOOL, "--times", "3", "--busy", "1", "--workers", "0", "--logs", tmp_path / "logs", file]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    # Before the file's name pytest writes the folder, where it is below the checkout's parent.
    assert re.search(r"^   2 of 3  (\S+\.)?test_some::test_by_turns$", done.stdout, re.MULTILINE)
    assert "turn 2" in done.stdout
    assert "test_sound" not in done.stdout
    assert ["Error: turn" in (tmp_path / "logs" / f"{n}.log").read_text() for n in (1, 2, 3)] == [True, False, True]


def test_nothing_failed_is_a_success(tmp_path):
    file = tmp_path / "test_other.py"
    file.write_text("def test_sound():\n    pass\n")
    call = [sys.executable, TOOL, "--times", "1", "--busy", "0", "--workers", "0", "--logs", tmp_path / "logs", file]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("run 1 of 1: 0 failed, ")

"""The closing lines of a run of the tests: what those that were skipped need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recorded import LACKING
from skips import summed_up

ROOT = Path(__file__).resolve().parents[2]


def test_each_need_is_a_line_with_its_count_and_what_brings_it():
    found = summed_up(["in the long form: make prove WHAT=long", LACKING, LACKING, "only on a Tuesday"])
    assert [line.split() for line in found] == [
        ["tests", "need", "which", "brings"],
        ["2", "recorded", "market", "data", "ONETAPE_RECORDED=FOLDER", "make", "test"],
        ["1", "the", "long", "form", "make", "prove", "WHAT=long"],
        ["1", "only", "on", "a", "Tuesday"],
    ]


def test_where_nothing_was_skipped_there_is_no_table():
    assert summed_up([]) == []


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_without_recorded_data_skips_by_name_and_says_so_at_its_end(workers: str):
    file = "tests/research/test_recordings.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", workers, "-p", "no:cacheprovider", file],
        cwd=ROOT,
        env={**os.environ, "ONETAPE_RECORDED": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SKIPPED [1] {file}" in done.stdout
    closing = done.stdout.partition("what skipped tests need")[2].splitlines()
    assert closing[2].split()[:4] == ["1", "recorded", "market", "data"]
    assert "SKIPPED" not in "".join(closing)

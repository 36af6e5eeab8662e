"""A short, repeatable piece of what `make fuzz` does, and every input that once failed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_targets import CORPUS, TARGETS, make

RUN = Path(__file__).with_name("run_fuzz.py")
RUNS = {
    "tape": 20,
    "open-tape": 20,
    "state": 30,
    "book": 1000,
    "messages": 1000,
    "answers": 600,
    "reports": 600,
    "body": 300,
    "configuration": 150,
}
IMPORT_RUNS = 20
LONG = bool(os.environ.get("ONETAPE_LONG"))


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_answered(name: str) -> None:
    runs = RUNS.get(name, IMPORT_RUNS) * (300 if LONG else 1)
    seconds = 600 if LONG else 60
    command = [sys.executable, str(RUN), name, f"--runs={runs}", f"--seconds={seconds}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("found/*/*")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_an_input_that_failed_once_is_answered(path: Path) -> None:
    target = make(path.parent.name)
    try:
        target.check(path.read_bytes())
    finally:
        shutil.rmtree(target.folder, ignore_errors=True)

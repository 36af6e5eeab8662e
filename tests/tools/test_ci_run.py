"""What a change must pass begins with the packages of the lock, or says that it does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("fits", "is_made", "code", "called"),
    [
        (True, True, 0, ["setup-locked", "lint"]),
        (True, False, 1, ["setup-locked"]),  # a wrong hash, say
        (False, True, 0, ["lint"]),
    ],
)
def test_other_packages_than_the_locks_are_taken_on_other_machines_alone(tmp_path: Path, fits, is_made, code, called):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    programs = {
        "id": "echo 1000",
        "git": "echo 0123456",
        "python3": f"exit {int(not fits)}",
        "make": f'echo "$1" >> called; [ "$1" = setup-locked ] || exit 0; mkdir -p .venv/bin; exit {int(not is_made)}',
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environ = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    done = subprocess.run(["sh", ".ci/run"], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "called").read_text().split()[: len(called) + 1][: len(called)] == called
    assert ("NOT LOCKED" in done.stderr) == (not fits)
    if code:
        assert (tmp_path / "called").read_text().split() == called and not (tmp_path / ".venv").exists()

"""`make setup` says in one line what a bare machine lacks: machines are faked by their PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "preflight.sh"
SHELL = shutil.which("sh")

# A python3 that answers the script's questions as told.
PYTHON = """#!{shell}
case "$2" in
  *version_info*) exit {old} ;;
  *ensurepip*) exit {no_venv} ;;
  *Python.h*) exit {no_headers} ;;
esac
"""
COMPILER = "#!{shell}\nexit {old}\n"


def machine(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    for name, text in programs.items():
        path = folder / name.replace("gxx", "g++").replace("clangxx", "clang++")
        path.write_text(text)
        path.chmod(0o755)
    return subprocess.run(
        [str(SHELL), str(SCRIPT)], env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )


def python(*, old: int = 0, no_venv: int = 0, no_headers: int = 0) -> str:
    return PYTHON.format(shell=SHELL, old=old, no_venv=no_venv, no_headers=no_headers)


def compiler(*, old: int = 0) -> str:
    return COMPILER.format(shell=SHELL, old=old)


@pytest.mark.parametrize(
    ("programs", "missing"),
    [
        ({}, "python3 g++"),
        ({"python3": python()}, "g++"),
        ({"gxx": compiler()}, "python3"),
        ({"python3": python(old=1), "gxx": compiler()}, "python>=3.11"),
        ({"python3": python(no_venv=1), "gxx": compiler()}, "python3-venv"),
        ({"python3": python(no_headers=1), "gxx": compiler()}, "python3-dev"),
        ({"python3": python(no_venv=1, no_headers=1)}, "python3-venv python3-dev g++"),
        ({"python3": python(), "gxx": compiler(old=1)}, "a-C++20-compiler"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path, programs, missing):
    done = machine(tmp_path, **programs)
    assert done.returncode == 1
    install = "(Debian/Ubuntu: apt install python3-dev python3-venv make g++)"
    assert done.stderr == f"onetape needs: {missing}   {install}\n"


@pytest.mark.parametrize("name", ["gxx", "clangxx"])
def test_a_machine_that_has_all_hears_nothing(tmp_path, name):
    done = machine(tmp_path, python3=python(), **{name: compiler()})
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_this_machine_has_all():
    call = [str(SHELL), str(SCRIPT), sys.executable]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if "a-C++20-compiler" in done.stderr or "g++" in done.stderr.partition("(")[0]:
        pytest.skip("an installed package is tested on a machine without a compiler")
    assert done.returncode == 0, done.stderr

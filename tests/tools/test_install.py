"""The set-up says what it does, and shows the end of its log when a step fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import install


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Collecting aiohttp>=3.12", "fetching aiohttp"),
        ("  Downloading python_socks-3.2.1-py3-none-any.whl (49 kB)", "fetching python_socks"),
        ("Processing /a/b/yarl-1.25.1-cp311-cp311-manylinux2014_x86_64.whl (from aiohttp>=3.12)", "fetching yarl"),
        ("Installing collected packages: zstandard, uvloop, tzdata", "installing 3 packages"),
        ("  [0/2] Re-checking globbed directories...", None),
        ("  [3/168] Building CXX object core/base/a.cpp.o", "compiling, 3 of 168 files"),
        ("  [84/168] Building CXX object core/base/b.cpp.o", "compiling, 84 of 168 files, about 50 s left"),
        ("  [168/168] Linking CXX shared module _core.so", "compiling, 168 of 168 files"),
        ("  Preparing metadata (pyproject.toml): started", None),
    ],
)
def test_a_line_of_pip_or_ninja_becomes_a_line_of_progress(line, words):
    assert install.progress(line, 60.0, [10.0]) == words


def test_a_step_that_fails_shows_the_end_of_its_log(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(install, "ROOT", tmp_path)
    script = "print('first'); print('no such package'); raise SystemExit(3)"
    with pytest.raises(SystemExit) as ended:
        install.run("packages", [sys.executable, "-c", script], tmp_path / "install.log")
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert "no such package" in shown and "install.log" in shown


def test_a_step_that_ends_says_how_long_it_took(tmp_path, capsys):
    install.run("environment", [sys.executable, "-c", "print('[1/2] Building')"], tmp_path / "install.log")
    assert capsys.readouterr().out.splitlines()[-1].startswith("  environment: done in ")
    assert (tmp_path / "install.log").read_text() == "[1/2] Building\n"

"""Processes that hold secrets leave no image, and nobody of the same user looks into them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worlds.supervised import CONFIG, Home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")


def test_confined_means_no_image_no_look_and_the_owners_files(tmp_path):
    code = (
        "import ctypes, os, resource\n"
        "from onetape.security.confine import confine\n"
        "confine()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE),"
        " oct(os.umask(0)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "0 (0, 0) 0o77"


def limits(pid: int) -> tuple[list[str], str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    core = next(line for line in lines if line.startswith("Max core file size"))
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return core.split()[4:6], next(line for line in status if line.startswith("Umask:"))


def test_supervisor_and_all_that_it_starts_write_no_image(tmp_path):
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        processes = home.now()["processes"]
        assert {each["kind"] for each in processes} >= {"supervisor", "gateway", "venue"}
        for each in processes:
            core, umask = limits(each["pid"])
            assert core == ["0", "0"], each["name"]
            assert umask.split()[1] == "0077", each["name"]


def test_figures_of_a_process_that_shows_no_files(tmp_path, monkeypatch):
    from onetape.supervisor.process_figures import Figures

    def refused(self):
        raise PermissionError(13, "not yours")

    figures = Figures()
    assert figures.of(os.getpid())["open_files"] > 0
    monkeypatch.setattr(Path, "iterdir", refused)
    reported = figures.of(os.getpid())
    assert reported["open_files"] is None and reported["memory_bytes"] > 0

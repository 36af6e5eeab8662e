"""Processes that hold secrets leave no image, and nobody of the same user looks into them."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

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


def limit(pid: int, name: str) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith(name)).removeprefix(name).split()[:2]


def limits(pid: int) -> tuple[list[str], str]:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return limit(pid, "Max core file size"), next(line for line in status if line.startswith("Umask:"))


def test_supervisor_and_all_that_it_starts_write_no_image(tmp_path):
    with Home(tmp_path, CONFIG) as home:
        home.run("up")
        processes = home.now()["processes"]
        assert {each["kind"] for each in processes} >= {"supervisor", "gateway", "venue"}
        for each in processes:
            core, umask = limits(each["pid"])
            assert core == ["0", "0"], each["name"]
            assert umask.split()[1] == "0077", each["name"]


CROWD = 1150


def test_a_crowd_of_idle_connections_does_not_shut_out_the_kill_route(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * CROWD:
        pytest.skip(f"a process may open {hard} files here")
    crowd: list[socket.socket] = []
    with Home(tmp_path, f"{CONFIG}[control]\nport = 0\n[dashboard]\n[metrics]\nport = 0\n") as home:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        try:
            up = home.run("up")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3 * CROWD), hard))
        try:
            for name in ("control", "dashboard"):
                files = limit(home.process(name)["pid"], "Max open files")
                assert files == [str(min(hard, 65536)), str(hard)], "each process raises its limit"
            for name in ("control", "dashboard", "metrics"):
                port = urlsplit(up[name]).port
                crowd += [socket.create_connection(("127.0.0.1", port)) for _ in range(CROWD)]
            with urllib.request.urlopen(up["metrics"], timeout=60) as got:
                assert got.status == 200
            stop = urllib.request.Request(f"{up['control']}/api/v1/system/stop", method="POST", data=b"{}")
            stop.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(stop, timeout=60) as got:
                assert json.loads(got.read())["status"] == "stopped"
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(urljoin(up["dashboard"], "/"), timeout=60)
        finally:
            for each in crowd:
                each.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_figures_of_a_process_that_shows_no_files(tmp_path, monkeypatch):
    from onetape.supervisor.process_figures import Figures

    def refused(self):
        raise PermissionError(13, "not yours")

    figures = Figures()
    assert figures.of(os.getpid())["open_files"] > 0
    monkeypatch.setattr(Path, "iterdir", refused)
    reported = figures.of(os.getpid())
    assert reported["open_files"] is None and reported["memory_bytes"] > 0

"""The lines of the first pages, typed a second time, on a small disk, or with another home."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.model.time import rough_duration


@pytest.fixture
def started(onetape, tmp_path):
    """A folder as `init` leaves it, with a small market."""
    assert onetape("init", ".").code == 0
    assert onetape("sample", "--out", "market.tape", "--events", 20_000).code == 0
    return onetape


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_a_sample_that_found_no_room_leaves_nothing_that_blocks_the_next(onetape, tmp_path):
    def small() -> None:  # the kernel refuses the write, as a full disk does
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [sys.executable, "-m", "onetape", "sample", "--out", "m.tape", "--events", "100000"]
    done = subprocess.run(command, cwd=tmp_path, preexec_fn=small, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert [each.name for each in tmp_path.iterdir()] == []
    assert onetape("sample", "--out", "m.tape", "--events", 1000).code == 0


def test_a_sample_is_replaced_when_that_is_said(started, tmp_path):
    before = content(tmp_path / "market.tape")
    done = started("sample", "--out", "market.tape", "--events", 20_000)
    assert done.code == 2
    assert "--force" in done.err
    assert content(tmp_path / "market.tape") == before
    second = started("sample", "--out", "market.tape", "--events", 20_000, "--force")
    assert second.code == 0, second.err
    assert content(tmp_path / "market.tape") == before
    assert started("sample", "--out", "market.tape", "--events", 100, "--force").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = started("sample", "--out", "mine", "--force")
    assert (done.code, (tmp_path / "mine" / "thesis.txt").exists()) == (2, True)


def test_a_run_is_replaced_when_that_is_said(started, tmp_path):
    words = ("backtest", "strategies/cross.py", "--data", "market.tape", "--out", "first")
    assert started(*words).code == 0
    run = tmp_path / ".onetape" / "runs" / "first"
    done = started(*words)
    assert done.code == 2
    assert "--force" in done.err
    assert started(*words, "--param", "fast=5", "--force").code == 0
    assert "fast = 5" in (run / "run.toml").read_text()
    # One that fails leaves the run that was there.
    assert started(*words, "--param", "fast=7", "--from", "2031-01-01", "--force").code != 0
    assert "fast = 5" in (run / "run.toml").read_text()
    assert [each.name for each in run.parent.iterdir()] == ["first"]


def test_force_takes_no_folder_that_is_no_run(started, tmp_path):
    words = ("backtest", "strategies/cross.py", "--data", "market.tape", "--out", "./mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert started(*words, "--force").code == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_runs_are_found_by_name_wherever_the_home_is(started, tmp_path):
    env = {"ONETAPE_HOME": str(tmp_path / "elsewhere")}
    for name, fast in (("first", 10), ("second", 5)):
        words = ("--data", "market.tape", "--param", f"fast={fast}", "--out", name)
        assert started("backtest", "strategies/cross.py", *words, env=env).code == 0
    done = started("parity", "first", "second", "--json", env=env)
    assert done.code in (0, 4)
    assert done.value["mode"] == "orders"


def test_a_sweep_of_less_than_a_day_ranks_by_what_there_is(started):
    words = ("sweep", "strategies/cross.py", "--data", "market.tape", "--param", "fast=5,10")
    done = started(*words, "--json")
    assert done.code == 0, done.err
    assert done.value["metric"] == "return"
    assert done.value["best"] is not None
    done = started(*words, "--metric", "sharpe")
    assert done.code == 2
    assert "sharpe needs a day of data, and a run covers" in done.err
    assert "rank by return or pnl" in done.err


def test_what_the_data_cover_is_said_in_hours(started):
    words = ("sweep", "strategies/cross.py", "--data", "market.tape", "--param", "fast=5,10")
    done = started(*words, "--walk-forward", "30d,10d")
    assert done.code == 2
    assert "ns" not in done.err.partition("covers")[2].partition(",")[0]


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (16395621342781, "4h 33m"),
        (30 * 86400 * 10**9, "4w 2d"),
        (60 * 10**9, "1m"),
        (3600 * 10**9 + 5, "1h"),
        (1_500_000, "1ms 500us"),
        (7, "7ns"),
        (0, "0s"),
    ],
)
def test_rough_durations(ns, words):
    assert rough_duration(ns) == words

"""What a run leaves is its owner's alone."""

from __future__ import annotations

import os
from pathlib import Path

from onetape.data.sample import write_sample
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.security.private import private_folder


def test_missing_folders_are_made_private_and_others_keep_their_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    old = os.umask(0)
    try:
        private_folder(tmp_path / "home" / "runs" / "a")
    finally:
        os.umask(old)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    for folder in ("home", "home/runs", "home/runs/a"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


def test_nothing_of_a_run_is_readable_by_others(tmp_path: Path) -> None:
    write_sample(tmp_path / "tape", events=2000)
    code = Path(__file__).resolve().parents[2] / "strategies" / "random_walk.py"
    run_backtest(BacktestOptions(strategy=str(code), data=[tmp_path / "tape"], home=tmp_path / "h"))
    paths = [tmp_path / "h", *(tmp_path / "h").rglob("*")]
    assert len(paths) > 6
    assert [p for p in paths if p.stat().st_mode & 0o077] == []

"""Whole runs over small and generated tapes, in a home of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A generated market of 20,000 events: quotes, trades, depth, bars and marks."""
    from onetape.data.sample import write_sample

    path = tmp_path_factory.mktemp("sample") / "sample.tape"
    write_sample(path, events=20_000, seed=3)
    return path

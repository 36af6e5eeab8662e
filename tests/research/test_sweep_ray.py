"""The Ray backend: the same table as the local one. A visible skip where ray is not installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

import onetape
from onetape.model.errors import NotAvailable
from worlds.strategy_files import TAKER, write


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install onetape[ray]")
def test_ray_gives_the_table_that_local_workers_give(tmp_path, sample, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    code = write(tmp_path, "taker", TAKER.replace("self.n = 0", "self.n = 1 // self.every * 0"))
    params = {"every": [20, 40, 0], "size": [0.01, 0.05]}
    found = [
        onetape.sweep(
            str(code), sample, params=params, metric="pnl", home=tmp_path, jobs=2, out=backend, backend=backend
        )
        for backend in ("local", "ray")
    ]
    tables = [(each.path / "results.parquet").read_bytes() for each in found]
    assert tables[0] == tables[1]
    assert found[1].frame["error"].drop_nulls().len() == 2  # failures are rows there as well


def test_without_ray_the_answer_says_how_to_get_it(tmp_path, sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code = write(tmp_path, "taker", TAKER)
    with pytest.raises(NotAvailable, match=r"pip install 'onetape\[ray\]'"):
        onetape.sweep(str(code), sample, params={"every": [20]}, home=tmp_path, metric="pnl", backend="ray")

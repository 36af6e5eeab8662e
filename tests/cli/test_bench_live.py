"""`onetape bench live` measures each figure beside a bare client, and says what it cannot measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from long_form import long_form
from onetape.cli.bench import live_text
from onetape.model.errors import UsageError

BENCH = str(Path(__file__).resolve().parents[2] / "bench")
sys.path.insert(0, BENCH)
try:
    import live
finally:
    sys.path.remove(BENCH)

NAMES = ["market_to_request", "tick_to_order", "order_to_ack", "fill_to_callback"]


@pytest.mark.parametrize("more", ["--compiled", *long_form("", "--processes 3", "--spin", "--processes 3 --compiled")])
def test_the_figures_of_this_machine_stand_beside_a_bare_client(onetape, more):
    done = onetape("bench", "live", "--orders", 100, *more.split(), "--json")
    assert done.code == 0, done.err
    figures = json.loads(done.out)["figures"]
    assert [row["name"] for row in figures] == NAMES
    for row in figures:
        assert row["unit"] == "us" and 0 < row["p50"] <= row["p99"] <= row["p999"]
        assert 0 < row["against"]["p50"] <= row["against"]["p99"] and row["against"]["name"]
        assert row["ratio"] == pytest.approx(row["p50"] / row["against"]["p50"], abs=0.01)
        assert sum(count for _, count in row["histogram"]) == row["count"] > 0
    assert all(row["name"] in live_text(figures) for row in figures)


def test_a_figure_counts_each_sample_in_a_row_of_its_histogram():
    found = live.figure("x", [999, 1_000, 1_499, 3_000, 999_999_999], "y", [500] * 4)
    assert (found["count"], found["p50"], found["p99"]) == (5, 1.5, 1_000_000.0)
    rows = {below: count for below, count in found["histogram"] if count}
    assert rows == {1: 1, 1.5: 2, 5: 1, None: 1}
    assert found["ratio"] == 3.0


def test_what_was_not_measured_is_no_figure():
    with pytest.raises(SystemExit, match="x: nothing was measured"):
        live.figure("x", [], "y", [1])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--spin", UsageError),
        ("live --spin --processes 3", UsageError),
        ("live --runs 2", UsageError),
        ("live journal", UsageError),
    ],
)
def test_what_does_not_go_together_is_refused(onetape, words, error):
    done = onetape("bench", *words.split())
    assert done.code != 0 and error.name in done.err

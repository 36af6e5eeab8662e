"""The page of a sweep: one file, no requests, every stranger's text as data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from test_report import browse, needs_chromium

from onetape.model.errors import BadConfig
from onetape.report.sweep_results import Sweep, best_of, metric_of

FACTS = {
    "version": 1,
    "class": "Mine",
    "reference": "mine.py:Mine",
    "source_hash": "",
    "options": {"seed": 1},
    "instruments": None,
    "start": None,
    "end": None,
    "tapes": [{"path": "/t/</script><b>.tape", "last_sequence": 1, "crc": 1}],
    "sources": [],
    "walk_forward": None,
    "metric": "pnl",
}


def made(folder: Path, *, grid=None, rows=None, **facts) -> Sweep:
    folder.mkdir(exist_ok=True)
    grid = grid if grid is not None else {"fast": [1, 2], "mode": ["<img src=x>", "b"], "z": [True, False]}
    (folder / "sweep.json").write_text(json.dumps({**FACTS, "grid": grid, **facts}))
    if rows is None:
        rows = [{"key": str(n), "error": None, "pnl": float(n - 3), "stats": {"sharpe": None}} for n in range(7)] + [
            {"key": "7", "error": "</script><script>alert(1)</script>"}
        ]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Sweep(folder)


def data_of(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_the_page_asks_nobody_and_runs_only_its_own_script(tmp_path):
    text = made(tmp_path / "s").report().read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    links = set(re.findall(r"https?://[^\s\"')]+", text)) - {"http://www.w3.org/2000/svg"}
    assert links == set()
    assert "alert(1)</script>" not in text and "<img" not in text


def test_every_variant_is_there_with_its_place_and_its_values(tmp_path):
    data = data_of(made(tmp_path / "s").report().read_text())
    assert [each["variant"] for each in data["variants"]] == list(range(8))
    assert data["variants"][5]["at"] == [1, 0, 1]
    at = data["metrics"].index("pnl")
    assert [each["values"][at] for each in data["variants"]] == [-3, -2, -1, 0, 1, 2, 3, None]
    assert data["variants"][7]["error"] and data["notes"][0].startswith("1 variants failed")
    assert (data["x"], data["y"], data["metric"]) == ("fast", "mode", "pnl")


def test_the_map_begins_with_pnl_where_no_variant_has_the_metric(tmp_path):
    """Less than a day of data has no Sharpe ratio: a map of dashes says nothing."""
    data = data_of(made(tmp_path / "s", metric="sharpe").report().read_text())
    assert data["metric"] == "pnl"
    assert "no variant has a sharpe: the map begins with pnl" in data["notes"]
    rows = [{"key": str(n), "error": None, "pnl": 1.0, "stats": {"sharpe": n or None}} for n in range(8)]
    data = data_of(made(tmp_path / "one", metric="sharpe", rows=rows).report().read_text())
    assert data["metric"] == "sharpe"
    assert not any("begins with" in note for note in data["notes"])
    lost = [{"key": str(n), "error": "no"} for n in range(8)]
    for metric in ("sharpe", "pnl"):
        data = data_of(made(tmp_path / metric, metric=metric, rows=lost).report().read_text())
        assert data["metric"] == metric
        assert not any("begins with" in note for note in data["notes"])


def test_equal_sweeps_are_equal_pages_and_the_heat_map_takes_its_axes(tmp_path):
    sweep = made(tmp_path / "s")
    assert sweep.report().read_bytes() == sweep.report(tmp_path / "other.html").read_bytes()
    data = data_of(sweep.heatmap("mode", "z", "sharpe").read_text())
    assert (data["x"], data["y"], data["metric"]) == ("mode", "z", "sharpe")
    with pytest.raises(BadConfig, match="'speed' was not swept"):
        sweep.heatmap("speed")
    with pytest.raises(BadConfig, match="unknown metric"):
        sweep.heatmap(metric="luck")


@pytest.mark.parametrize("grid", [{}, {"fast": [1]}, {"fast": [1, 2]}])
def test_sweeps_of_few_parameters_have_pages_too(tmp_path, grid):
    rows = [{"key": "0", "error": None, "pnl": 1.0, "stats": {"period": "1 d"}}]
    data = data_of(made(tmp_path / "s", grid=grid, rows=rows).report().read_text())
    assert data["names"] == list(grid) and data["x"] == data["y"] == (list(grid) or [None])[0]


def test_more_variants_than_a_page_holds_are_cut_to_the_best_and_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("onetape.report.sweep_results.VARIANTS_SHOWN_MAX", 3)
    data = data_of(made(tmp_path / "s").report().read_text())
    assert [each["variant"] for each in data["variants"]] == [4, 5, 6]
    assert data["notes"][0] == "the best 3 of 8 variants by pnl"


def test_parameters_named_like_statistics_keep_both(tmp_path):
    rows = [{"key": "0", "error": None, "pnl": 1.0, "stats": {"period": "1 d", "sharpe": 2.0}}]
    frame = made(tmp_path / "s", grid={"pnl": [5], "fast": [1]}, rows=rows).frame
    assert frame["param.pnl"].to_list() == [5] and frame["pnl"].to_list() == [1.0]


def test_values_of_several_kinds_fit_one_column(tmp_path):
    rows = [{"key": str(n), "error": None, "pnl": 1.0, "stats": {"period": "1 d"}} for n in range(3)]
    frame = made(tmp_path / "s", grid={"stop": [None, 1, 0.5]}, rows=rows).frame
    assert frame["stop"].to_list() == [None, 1.0, 0.5]


def test_the_best_is_the_first_of_equals_and_never_a_failed_one():
    rows = [
        {"error": "x", "stats": {}},
        {"error": None, "stats": {"sharpe": 1}, "n": 1},
        {"error": None, "stats": {"sharpe": 1}, "n": 2},
        {"error": None, "stats": {"sharpe": None}, "n": 3},
    ]
    assert best_of(rows, "sharpe")["n"] == 1
    assert best_of(rows[:1], "sharpe") is None and best_of([], "sharpe") is None
    assert metric_of(rows[0], "sharpe") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"grid": 3}', '{"grid": {"a": 1}}'])
def test_what_is_no_sweep_is_named(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(BadConfig, match="is not a sweep"):
        Sweep(tmp_path)


WALK = {
    "metric": "pnl", "stats": {"pnl": 3.0, "sharpe": None}, "efficiency": 0.5,
    "equity": [[10**18, 2 * 10**18, 3 * 10**18], [100.0, 104.0, 103.0]],
    "windows": [
        {"window": 1, "train_start": 0, "train_end": 10**18, "test_start": 10**18,
         "test_end": 3 * 10**18, "variant": 0, "params": {"fast": "<img src=x>"}, "in_sample": 6.0,
         "out_of_sample": 3.0, "ratio": 0.5, "pnl": 3.0, "error": None},
        {"window": 2, "train_start": 0, "train_end": 2 * 10**18, "test_start": 2 * 10**18,
         "test_end": 3 * 10**18, "variant": None, "params": None, "in_sample": None,
         "out_of_sample": None, "ratio": None, "pnl": None, "error": "no variant"},
    ],
}  # fmt: skip


@needs_chromium
@pytest.mark.parametrize("kind", ["grid", "one", "none", "walk"])
def test_a_browser_shows_it_without_errors_or_requests(tmp_path, kind):
    one_row = [{"key": "0", "error": None, "pnl": 1.0, "stats": {"period": "1 d"}}]
    if kind == "walk":
        sweep = made(
            tmp_path / "s",
            grid={"fast": ["<img src=x>"]},
            rows=[],
            walk_forward={"train": 1, "test": 1, "anchored": False},
        )
        (sweep.path / "walk.json").write_text(json.dumps(WALK))
    else:
        grid = {"grid": None, "one": {"fast": [1]}, "none": {}}[kind]
        sweep = made(tmp_path / "s", grid=grid, rows=None if kind == "grid" else one_row)
    dom, console, request = browse(sweep.report(), tmp_path)
    assert console == "" and request == []
    assert "<img" not in dom and "Sweep of Mine" in dom
    boxes = re.findall(r'<td(?: class="(\w*)")?[^>]*>([^<]*)</td>', dom.split('id="map"')[1])
    if kind == "grid":
        # fast across, mode down, the best over z; the best of all is framed.
        cells = [text for style, text in boxes if style in ("", "best")][:4]
        assert cells == ["-2", "2", "0", "3"]
        assert dom.count('class="best"') == 1 and "background-color: rgb(" in dom
    if kind == "walk":
        assert dom.count("M0.00") == 1 and "no variant" in dom

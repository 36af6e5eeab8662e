"""Runs side by side on one page, and a run as tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from test_report import HOSTILE, browse, embedded, needs_chromium

import copied_process
import onetape
from onetape.data.sample import write_sample
from onetape.model.errors import BadInput, UsageError
from onetape.report.compare_page import equity_curve, render_comparison, write_comparison
from onetape.report.run import FORMATS, save_run
from onetape.research.backtest import BacktestOptions, run_backtest

STRATEGY = Path(__file__).resolve().parents[2] / "strategies" / "random_walk.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    tape = home / "sample.tape"
    write_sample(tape, events=8_000, seed=3)
    for number in range(1, 4):
        run_backtest(
            BacktestOptions(
                strategy=str(STRATEGY),
                data=[tape],
                home=home,
                out=f"r{number}",
                seed=number,
                latency=f"{number}ms",
                stress=number == 1,
            )
        )
    return [onetape.open(home / "runs" / f"r{number}") for number in range(1, 4)]


def test_the_curve_is_the_runs_own_equity(runs):
    ts, equity = equity_curve(runs[0])
    frame = runs[0].equity
    assert equity.tolist() == frame["equity"].to_list()
    assert ts.tolist() == frame["time"].dt.epoch("ns").to_list()
    assert equity[-1] - equity[0] == pytest.approx(float(runs[0].stats["pnl"]))


def test_figures_settings_and_curves_stand_side_by_side(runs):
    value = embedded(render_comparison(runs))
    assert value["names"] == ["r1", "r2", "r3"]
    metrics = {each["key"]: each["values"] for each in value["metrics"]}
    assert metrics["pnl"] == [float(run.stats["pnl"]) for run in runs]
    assert metrics["orders"] == [run.stats["orders"] for run in runs]
    differing = {each["name"] for each in value["settings"] if each["differs"]}
    assert differing == {"seed", "model latency"}
    growth = value["curves"][1]["growth"]
    _, equity = equity_curve(runs[1])
    assert growth[1][-1] == pytest.approx((equity[-1] / equity[0] - 1) * 100, abs=1e-6)
    assert len(np.cumsum(growth[0])) == len(equity)


def test_equal_runs_give_equal_pages_and_the_file_appears_whole(runs, tmp_path):
    assert render_comparison(runs) == render_comparison(runs)
    path = write_comparison(runs[:2], tmp_path / "deep" / "c.html")
    assert [each.name for each in path.parent.iterdir()] == ["c.html"]


@pytest.mark.parametrize("count", [0, 1, 13])
def test_one_run_or_too_many_are_refused_and_nothing_is_written(runs, count, tmp_path):
    with pytest.raises(UsageError, match="2 to 12"):
        write_comparison((runs * 5)[:count], tmp_path / "c.html")
    assert list(tmp_path.iterdir()) == []


def test_a_run_beside_itself_is_told_apart_by_its_place(runs):
    assert embedded(render_comparison([runs[0], runs[0]]))["names"] == ["r1 (1)", "r1 (2)"]


@needs_chromium
def test_a_browser_shows_runs_of_strangers_as_text(runs, tmp_path):
    strange = onetape.open(runs[1].path)
    strange.facts["parameters"] = {HOSTILE: HOSTILE}
    strange.facts["result"] = {**strange.facts["result"], "strategy": HOSTILE}
    dom, console, request = browse(write_comparison([runs[0], strange, *runs * 3][:12], tmp_path / "c.html"), tmp_path)
    assert (console, request) == ("", [])
    assert 'data-ready="yes"' in dom and dom.count("<canvas") == 2
    assert "<img" not in dom and dom.count("<script") == 3
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title and "owned" not in title[1]


# --- tables ---------------------------------------------------------------------------------------


def read(path, form):
    polars = pytest.importorskip("polars")
    return {
        "parquet": polars.read_parquet,
        "csv": lambda p: polars.read_csv(p, infer_schema_length=None),
        "jsonl": lambda p: polars.read_ndjson(p, infer_schema_length=None),
    }[form](path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_saved_run_holds_what_its_report_shows(runs, form, tmp_path):
    run = runs[0]
    out = run.save(tmp_path / "out", format=form)
    report = json.loads((run.path / "report.json").read_text())
    assert json.loads((out / "report.json").read_text()) == report
    assert len(read(out / f"fills.{form}", form)) == run.stats["fills"]
    assert len(read(out / f"orders.{form}", form)) == run.stats["orders"]
    assert read(out / f"equity.{form}", form)["equity"].to_list() == run.equity["equity"].to_list()
    stats = read(out / f"statistics.{form}", form)
    pnl = stats.filter(stats["name"] == "pnl")
    assert pnl["value"][0] == float(run.stats["pnl"])
    stress = read(out / f"stress.{form}", form)
    assert stress["name"].to_list() == [each["name"] for each in report["stress"]]
    for name in ("days", "months", "symbols", "assumptions", "drawdowns"):
        assert len(read(out / f"{name}.{form}", form)) == len(report[name])


def test_saving_twice_is_refused_and_unknown_formats_are_named(runs, tmp_path):
    out = runs[0].save(tmp_path / "out")
    with pytest.raises(UsageError, match="exists"):
        save_run(runs[0], out)
    with pytest.raises(UsageError, match="parquet, csv, jsonl"):
        save_run(runs[0], tmp_path / "other", format="xls")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "cannot be read"),
        ("[]", "is no report"),
        ('{"days": {"a": 1}}', "days is no table"),
        ('{"stress": [{"name": [1]}]}', "stress is no table"),
    ],
)
def test_an_edited_report_is_one_clear_line_and_leaves_nothing(runs, text, what, tmp_path):
    (runs[2].path / "report.json").write_text(text)
    with pytest.raises(BadInput, match=what):
        save_run(runs[2], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_report_still_has_its_tables(runs, tmp_path):
    (runs[2].path / "report.json").unlink(missing_ok=True)
    found = save_run(runs[2], tmp_path / "out", format="csv")
    assert set(found.tables) == {"fills", "orders", "equity", "returns", "statistics", "settings"}


def test_export_of_the_command_line_takes_runs_and_tapes(runs, tmp_path):
    words = ("export", runs[0].path, "--format", "csv", "--out", tmp_path / "out", "--json")
    done = copied_process.run(*words, check=True)
    value = json.loads(done.stdout)
    assert value["tables"]["fills"] == runs[0].stats["fills"]
    assert all(Path(each).is_file() for each in value["files"])
